"""Rows of repeating groups: stable ids, addresses at every depth, and going with all that is in them."""

from uuid import UUID

from keepwell.domains.responses.rules.lifecycle import row_id
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id
from tests.support.forms import form, item
from tests.support.sheet import Sheet, begun, places

DRUGS = item(
    "drugs", "group", item("name"), item("doses", "group", item("mg", "decimal"), item("at", "time"), repeats=True), repeats=True
)


def test_a_row_is_added_with_answers_and_addressed_by_its_id():
    sheet = begun(DRUGS)
    first, second = sheet.add_row("drugs", {"name": "aspirin"}), sheet.add_row("drugs")
    assert sheet.rows == {"drugs": (first, second)}
    assert sheet.change({f"drugs[{second}].name": "ibuprofen"}) is None
    assert sheet.answers == {f"drugs[{first}].name": "aspirin", f"drugs[{second}].name": "ibuprofen"}


def test_rows_within_rows_are_addressed_through_both():
    sheet = begun(DRUGS)
    drug = sheet.add_row("drugs")
    dose = sheet.add_row(f"drugs[{drug}].doses", {"mg": 100})
    assert sheet.rows == {"drugs": (drug,), f"drugs[{drug}].doses": (dose,)}
    assert sheet.answers == {f"drugs[{drug}].doses[{dose}].mg": 100}


def test_outer_groups_may_be_left_out_because_row_ids_are_unique():
    sheet = begun(DRUGS)
    dose = sheet.add_row(f"drugs[{sheet.add_row('drugs')}].doses")
    assert sheet.change({f"doses[{dose.upper()}].mg": 5}) is None
    (address,) = sheet.answers
    assert address.startswith("drugs[")


def test_items_of_a_plain_group_inside_a_row_are_addressed_by_the_row_alone():
    sheet = begun(item("g", "group", item("plain", "group", item("x")), repeats=True))
    row = sheet.add_row("g", {"x": "1"})
    assert sheet.answers == {f"g[{row}].x": "1"}


def test_a_removed_row_takes_everything_in_it_along():
    sheet = begun(DRUGS)
    gone, kept = sheet.add_row("drugs", {"name": "a"}), sheet.add_row("drugs", {"name": "b"})
    sheet.add_row(f"drugs[{gone}].doses", {"mg": 1})
    assert sheet.remove_row(gone) is None
    assert sheet.rows == {"drugs": (kept,)}
    assert sheet.answers == {f"drugs[{kept}].name": "b"}
    assert sheet.remove_row(kept) is None
    assert (sheet.rows, sheet.answers) == ({}, {})


def test_a_row_that_is_not_there_is_not_found():
    sheet = begun(DRUGS)
    refusal = sheet.remove_row(str(new_id()))
    assert refusal is not None
    assert refusal.type == NOT_FOUND


def test_addresses_that_lead_nowhere_are_named():
    sheet = begun(DRUGS, item("other"))
    row, nobody = sheet.add_row("drugs"), new_id()
    assert places(
        sheet.change({
            "name": "x",
            f"drugs[{nobody}].name": "x",
            f"drugs[{row}].other": "x",
            f"doses[{nobody}].mg": 1,
            "drugs[0].name": "x",
        })
    ) == [
        ("/answers/name", "row-required"),
        (f"/answers/drugs[{nobody}].name", "unknown-row"),
        (f"/answers/drugs[{row}].other", "unknown-item"),
        (f"/answers/doses[{nobody}].mg", "unknown-row"),
        ("/answers/drugs[0].name", "unknown-item"),
    ]  # fmt: skip


def test_two_addresses_of_one_answer_are_refused_together():
    sheet = begun(DRUGS)
    drug = sheet.add_row("drugs")
    dose = sheet.add_row(f"drugs[{drug}].doses")
    short = f"doses[{dose}].mg"
    assert places(sheet.change({f"drugs[{drug}].doses[{dose}].mg": 1, short: 2})) == [(f"/answers/{short}", "named-twice")]


def test_only_repeating_groups_have_rows():
    sheet = begun(item("g", "group", item("x")), item("y", repeats=True), DRUGS)
    assert places(sheet.refused_row("g")) == [("/group", "not-repeating")]
    assert places(sheet.refused_row("y")) == [("/group", "not-repeating")]
    assert places(sheet.refused_row("nobody")) == [("/group", "unknown-item")]
    assert places(sheet.refused_row("doses")) == [("/group", "row-required")]
    assert places(sheet.refused_row(f"drugs[{new_id()}].doses")) == [("/group", "unknown-row")]


def test_a_faulty_answer_in_a_new_row_is_named_as_it_was_sent():
    sheet = begun(DRUGS)
    assert places(sheet.refused_row("drugs", {"name": 1, "mg": 1})) == [
        ("/answers/name", "wrong-type"),
        ("/answers/mg", "unknown-item"),
    ]  # fmt: skip
    assert sheet.rows == {}


def test_answers_given_at_the_beginning_bring_their_rows_along():
    sheet, drug, dose = Sheet(form(DRUGS)), str(new_id()), str(new_id())
    assert sheet.create({f"drugs[{drug}].name": "a", f"drugs[{drug}].doses[{dose}].mg": 1}) is None
    assert sheet.rows == {"drugs": (drug,), f"drugs[{drug}].doses": (dose,)}


def test_one_row_id_cannot_begin_in_two_places():
    sheet, row = Sheet(form(DRUGS, item("g", "group", item("x"), repeats=True))), str(new_id())
    assert places(sheet.create({f"drugs[{row}].name": "a", f"g[{row}].x": "b"})) == [(f"/answers/g[{row}].x", "unknown-row")]


def test_an_amendment_may_bring_rows():
    sheet, row = begun(DRUGS), str(new_id())
    assert sheet.submit() is None
    assert sheet.amend({f"drugs[{row}].name": "a"}) is None
    assert sheet.rows == {"drugs": (row,)}


def test_a_row_id_never_comes_twice():
    sheet = begun(DRUGS)
    ids: set[str] = set()
    for _ in range(5):
        ids.add(row := sheet.add_row("drugs"))
        assert sheet.remove_row(row) is None
    assert len(ids) == 5


def test_row_ids_are_version_7_and_follow_from_what_is_known():
    response = new_id()
    made = UUID(row_id(response, 3, 1_767_225_600_000_000))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == 1_767_225_600_000
    assert str(made) == row_id(response, 3, 1_767_225_600_000_000) != row_id(response, 4, 1_767_225_600_000_000)


def test_rows_have_a_limit():
    sheet = begun(DRUGS)
    for _ in range(500):
        sheet.add_row("drugs")
    refusal = sheet.refused_row("drugs")
    assert refusal is not None
    assert [fault.code for fault in refusal.faults] == ["limit"]
