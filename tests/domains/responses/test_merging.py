"""Changes made from an older version: what only one side changed is taken over, what both changed differently is a conflict."""

import re
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.responses import Response
from keepwell.domains.responses.rules.evolution import before
from keepwell.domains.responses.rules.merging import same
from keepwell.kernel.problems import Refusal
from tests.support.forms import form, item
from tests.support.sheet import Sheet, begun, places

DRUGS = item("drugs", "group", item("name"), item("dose", "decimal"), repeats=True)
ALLERGY = item("allergy", "string", item("since", "date"), repeats=True)


def when(question: str, **answer: Any) -> dict[str, Any]:
    return {"enableWhen": [{"question": question, "operator": "=", **answer}]}


def conflicts(refusal: Refusal | None) -> list[tuple[str, Any, Any, Any]]:
    assert refusal is not None
    assert refusal.code == "merge-conflict"
    found = [(one.linkId, one.base, one.theirs, one.yours) for one in refusal.disclosed["conflicts"]]
    assert [fault.pointer for fault in refusal.faults] == [f"/answers/{one[0]}" for one in found]
    return found


def test_disjoint_edits_merge():
    sheet = begun(item("a"), item("b"))
    assert sheet.patch(a="theirs") is None
    assert sheet.merge(1, {"b": "yours"}) is None
    assert sheet.answers == {"a": "theirs", "b": "yours"}
    assert sheet.desk.told == {"merged": True}
    assert sheet.desk.events[-1].behind == 1


def test_the_same_item_with_another_value_is_a_conflict():
    sheet = begun(item("a"), item("b"))
    assert sheet.patch(a="base") is None
    assert sheet.patch(a="theirs") is None
    assert conflicts(sheet.merge(2, {"a": "yours", "b": "x"})) == [("a", "base", "theirs", "yours")]
    assert sheet.answers == {"a": "theirs"}


def test_clearing_against_changing_is_a_conflict():
    sheet = begun(item("a"))
    assert sheet.patch(a="base") is None
    assert sheet.patch(a=None) is None
    assert conflicts(sheet.merge(2, {"a": "yours"})) == [("a", "base", None, "yours")]


def test_the_same_edit_is_no_conflict_and_writes_nothing():
    sheet = begun(item("a"))
    assert sheet.patch(a="both") is None
    assert sheet.merge(1, {"a": "both"}) is None
    assert sheet.version == 2
    assert sheet.desk.told == {"merged": True}


def test_a_value_that_came_back_to_what_it_was_is_no_conflict():
    sheet = begun(item("a"))
    for value in ("base", "other", "base"):
        assert sheet.patch(a=value) is None
    assert sheet.merge(2, {"a": "yours"}) is None
    assert sheet.answers == {"a": "yours"}


def test_what_you_leave_as_it_was_gives_way():
    sheet = begun(item("a"))
    assert sheet.patch(a="base") is None
    assert sheet.patch(a="theirs") is None
    assert sheet.merge(2, {"a": "base"}) is None
    assert sheet.answers == {"a": "theirs"}


def test_a_flag_is_not_a_number():
    assert not same(one=True, other=1)
    assert same(0.0, 0)


def test_edits_in_different_rows_and_new_rows_merge():
    sheet = begun(DRUGS)
    first, second = sheet.add_row("drugs"), sheet.add_row("drugs")
    assert sheet.change({f"drugs[{first}].name": "theirs"}) is None
    third = sheet.add_row("drugs", {"name": "new"})
    assert sheet.merge(3, {f"drugs[{second}].name": "yours", f"drugs[{first}].dose": 1}) is None
    assert sheet.answers == {
        f"drugs[{first}].name": "theirs",
        f"drugs[{first}].dose": 1,
        f"drugs[{second}].name": "yours",
        f"drugs[{third}].name": "new",
    }


def test_editing_inside_a_row_they_removed_is_a_conflict():
    sheet = begun(DRUGS)
    row = sheet.add_row("drugs", {"name": "base"})
    assert sheet.remove_row(row) is None
    name, dose = f"drugs[{row}].name", f"drugs[{row}].dose"
    assert conflicts(sheet.merge(2, {name: "yours", dose: 1})) == [(name, "base", None, "yours"), (dose, None, None, 1)]
    assert sheet.merge(2, {name: None, dose: None}) is None, "clearing what is gone is what they did too"
    assert sheet.merge(2, {name: "base"}) is None, "what you left as it was gives way"
    assert sheet.answers == {}


def test_removing_a_row_they_edited_inside_is_a_conflict():
    sheet = begun(DRUGS)
    row = sheet.add_row("drugs", {"name": "base"})
    assert sheet.change({f"drugs[{row}].name": "theirs"}) is None
    assert conflicts(sheet.merge_removal(2, row)) == [(f"drugs[{row}].name", "base", "theirs", None)]
    assert sheet.rows == {"drugs": (row,)}


def test_removing_a_row_merges_with_edits_elsewhere():
    sheet = begun(DRUGS, item("a"))
    row, other = sheet.add_row("drugs", {"name": "x"}), sheet.add_row("drugs")
    assert sheet.change({"a": "1", f"drugs[{other}].name": "y"}) is None
    assert sheet.merge_removal(3, row) is None
    assert sheet.rows == {"drugs": (other,)}
    assert sheet.merge_removal(3, row) is None, "it is gone already"
    assert sheet.version == 5
    refusal = sheet.merge_removal(1, row)
    assert refusal is not None
    assert refusal.code == "not-found"


def test_taking_an_answer_off_a_list_against_editing_below_it_is_a_conflict():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "dust"]}) is None
    nuts, dust = sheet.rows["allergy"]
    assert sheet.change({f"allergy[{nuts}].since": "2020", f"allergy[{dust}].since": "2021"}) is None
    assert conflicts(sheet.merge(2, {"allergy": ["dust"]})) == [(f"allergy[{nuts}].since", None, "2020", None)]
    assert sheet.change({"allergy": ["dust"]}) is None
    assert conflicts(sheet.merge(2, {f"allergy[{nuts}].since": "1999"})) == [(f"allergy[{nuts}].since", None, None, "1999")]


def test_what_is_below_a_list_merges_with_edits_below_other_answers():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "dust"]}) is None
    nuts, dust = sheet.rows["allergy"]
    assert sheet.change({f"allergy[{nuts}].since": "2020"}) is None
    assert sheet.merge(2, {"allergy": ["nuts", "dust", "pollen"], "allergy[1].since": "2021", "allergy[2].since": "2022"}) is None
    pollen = sheet.rows["allergy"][2]
    assert sheet.answers == {
        "allergy": ["nuts", "dust", "pollen"],
        f"allergy[{nuts}].since": "2020",
        f"allergy[{dust}].since": "2021",
        f"allergy[{pollen}].since": "2022",
    }


def test_the_same_list_with_something_below_a_new_answer_is_told():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts"]}) is None
    refusal = sheet.merge(1, {"allergy": ["nuts"], "allergy[0].since": "2020"})
    ((place, *rest),) = conflicts(refusal)
    assert place.endswith(".since")
    assert rest == [None, None, "2020"]


def test_lists_that_differ_are_one_conflict():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts"]}) is None
    assert conflicts(sheet.merge(1, {"allergy": ["dust"], "allergy[0].since": "2020"})) == [("allergy", None, ["nuts"], ["dust"])]


def test_an_answer_that_their_edit_put_out_of_force_is_cleared_in_the_same_event():
    sheet = begun(item("a"), item("b", **when("a", answerString="yes")), item("c"))
    assert sheet.patch(a="yes") is None
    assert sheet.patch(a="no") is None
    assert sheet.merge(2, {"b": "yours", "c": "kept"}) is None
    assert sheet.answers == {"a": "no", "c": "kept"}
    assert sheet.version == 4
    assert sheet.desk.events[-1].answers == {"b": None, "c": "kept"}
    assert sheet.desk.told == {"merged": True, "cleared": ("b",)}


def test_an_answer_of_theirs_that_your_edit_puts_out_of_force_is_cleared_in_the_same_event():
    sheet = begun(item("a"), item("b", **when("a", answerString="yes")), item("c", **when("b", answerString="theirs")))
    assert sheet.patch(a="yes") is None
    assert sheet.patch(b="theirs", c="below it") is None
    assert sheet.merge(2, {"a": "no"}) is None
    assert sheet.answers == {"a": "no"}
    assert sheet.desk.told == {"merged": True, "cleared": ("b", "c")}


def test_what_stood_where_it_does_not_apply_before_stays():
    sheet = begun(item("a"), item("b", **when("a", answerString="yes")), item("c"))
    assert sheet.patch(a="no", b="left over") is None
    assert sheet.patch(c="theirs") is None
    assert sheet.merge(2, {"a": "never"}) is None
    assert sheet.answers == {"a": "never", "b": "left over", "c": "theirs"}


def test_a_faulty_answer_is_refused_as_without_a_merge():
    sheet = begun(item("a", "integer"), item("b"))
    assert sheet.patch(b="theirs") is None
    assert places(sheet.merge(1, {"a": "x"})) == [("/answers/a", "wrong-type")]


FORM = form(
    item("a"),
    item("n", "integer"),
    item("list", repeats=True),
    item("hidden", **when("a", answerString="x")),
    item("deeper", **when("hidden", answerString="x")),
    DRUGS,
    ALLERGY,
)
VALUE = st.sampled_from([None, "x", "y"])
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUE,
        "n": st.sampled_from([None, 1, 2]),
        "list": st.sampled_from([None, ["x"], ["x", "y"]]),
        "hidden": VALUE,
        "deeper": VALUE,
        "allergy": st.sampled_from([None, ["x"], ["y"], ["x", "y"]]),
        "0.name": VALUE,
        "1.dose": st.sampled_from([None, 1, 2]),
        "0.since": st.sampled_from([None, "2020", "2021"]),
        "1.since": st.sampled_from([None, "2020", "2021"]),
    },
)
STEP = st.one_of(NAMED, st.sampled_from(["remove 0", "remove 1", "add"]))


def named(state: Response, answers: dict[str, Any]) -> dict[str, Any]:
    """The answers with places inside rows exchanged for addresses, those without a row left out."""
    found: dict[str, Any] = {}
    for name, value in answers.items():
        place, _, link_id = name.partition(".")
        if not link_id:
            found[name] = value
            continue
        container = "allergy" if link_id == "since" else "drugs"
        rows = state.rows.get(container, ())
        if int(place) < len(rows) and container not in answers:
            found[f"{container}[{rows[int(place)]}].{link_id}"] = value
    return found


def act(sheet: Sheet, step: Any) -> None:
    rows = sheet.rows.get("drugs", ())
    if isinstance(step, dict):
        refusal = sheet.change(named(sheet.desk.state, step))  # pyright: ignore[reportUnknownArgumentType]
    elif step == "add":
        refusal = sheet.refused_row("drugs", {"name": "x"})
    else:
        place = int(step[-1])
        refusal = sheet.remove_row(rows[place]) if place < len(rows) else None
    assert refusal is None


def started(first: dict[str, Any]) -> Sheet:
    sheet = Sheet(FORM)
    assert sheet.create() is None
    sheet.add_row("drugs", {"name": "x"})
    sheet.add_row("drugs")
    act(sheet, first)
    return sheet


def contents(state: Response) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    return state.answers, state.rows


def by_place(state: Response) -> dict[str, Any]:
    """The answers by addresses that do not depend on the ids which rows happened to get."""
    places = {row: str(place) for ids in state.rows.values() for place, row in enumerate(ids)}
    return {
        re.sub("|".join(places) or "-", lambda row: places[row[0]], address): value for address, value in state.answers.items()
    }


@settings(max_examples=300, deadline=None)
@given(NAMED, st.lists(STEP, max_size=6))
def test_what_was_before_can_be_told_from_what_happened_since(first: dict[str, Any], steps: list[Any]):
    sheet = started(first)
    states = [sheet.desk.state]
    marks = [sheet.version]
    for step in steps:
        act(sheet, step)
        states.append(sheet.desk.state)
        marks.append(sheet.version)
    for state, mark in zip(states, marks, strict=True):
        assert contents(before(sheet.desk.state, sheet.desk.events[mark:])) == contents(state)


@settings(max_examples=400, deadline=None)
@given(NAMED, st.lists(STEP, min_size=1, max_size=3), NAMED)
def test_nothing_that_either_side_wrote_is_dropped_without_being_told(
    first: dict[str, Any], theirs: list[Any], mine: dict[str, Any]
):
    sheet = started(first)
    seen, base = sheet.version, sheet.desk.state
    yours = named(base, mine)
    for step in theirs:
        act(sheet, step)
    their = sheet.desk.state
    refusal = sheet.merge(seen, yours)
    if refusal is not None:
        assert refusal.code == "merge-conflict"
        assert sheet.desk.state is their, "a conflict changes nothing"
        for address, was, now, you in conflicts(refusal):
            assert same(was, base.answers.get(address))
            assert same(now, their.answers.get(address))
            assert (
                not same(now, was)
                or not set(base.rows.get("drugs", ())) <= set(their.rows.get("drugs", ()))
                or "since" in address
            )
            assert address in yours or you is None or "since" in address
        return
    gone = set(sheet.desk.told.get("cleared", ())) if seen != sheet.version else set[str]()
    for address, value in yours.items():
        was, now, after = (state.answers.get(address) for state in (base, their, sheet.desk.state))
        if address in gone:
            assert after is None
        elif same(value, was):
            assert same(after, now)
        else:
            assert same(after, value)
    mine_below = (
        {name for name in (*base.answers, *their.answers) if name.startswith("allergy[")} if "allergy" in yours else set[str]()
    )
    for address in {*base.answers, *their.answers} - yours.keys() - gone - mine_below:
        assert same(sheet.answers.get(address), their.answers.get(address))


@settings(max_examples=300, deadline=None)
@given(NAMED, NAMED, NAMED)
def test_merging_is_the_identity_when_one_side_left_everything_as_it_was(
    first: dict[str, Any], still: dict[str, Any], mine: dict[str, Any]
):
    # They wrote, but only what was there; so merging is what the same change does without them.
    sheet = started(first)
    seen, base = sheet.version, sheet.desk.state
    plain = deepcopy(sheet)
    yours = named(base, mine)
    assert plain.change(yours) is None
    assert (
        sheet.change({address: base.answers.get(address) for address in named(base, still) if base.answers.get(address)}) is None
    )
    assert sheet.merge(seen, yours) is None
    assert sheet.answers == plain.answers
    # You wrote, but only what was there; so nothing happens.
    sheet = started(first)
    seen, base = sheet.version, sheet.desk.state
    assert sheet.change(yours := named(base, mine)) is None
    their = sheet.desk.state
    assert sheet.merge(seen, {address: base.answers.get(address) for address in named(base, still)}) is None
    assert contents(sheet.desk.state) == contents(their)


@settings(max_examples=400, deadline=None)
@given(NAMED, NAMED, NAMED)
def test_disjoint_edits_merge_the_same_in_either_order(first: dict[str, Any], one: dict[str, Any], other: dict[str, Any]):
    for name in ("allergy", "0.since", "1.since"):  # a list and what is below it are not disjoint
        if "allergy" in one or "allergy" in other:
            other.pop(name, None)
    other = {name: value for name, value in other.items() if name not in one}
    results: list[Any] = []
    for early, late in ((one, other), (other, one)):
        sheet = started(first)
        seen, base = sheet.version, sheet.desk.state
        assert sheet.change(named(base, early)) is None
        refusal = sheet.merge(seen, named(base, late))
        assert refusal is None, "disjoint edits never conflict"
        results.append(by_place(sheet.desk.state))
    assert results[0] == results[1]
