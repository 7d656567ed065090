"""A tree of items is read as answers by address: what cannot become one is named at its place, and nothing is passed over."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.questionnaires import Definition, compile_form
from keepwell.domains.responses.rules import Reading, in_tree, items_of, read_items
from keepwell.kernel.problems import Fault
from tests.support.answers import Form, filled
from tests.support.faults import every_fault
from tests.support.forms import REAL_FORMS, form, item, real_form

Json = dict[str, Any]
SLOW = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
SMALL = form(
    item("a", "integer", text="How many?", definition="http://example.org/d"),
    item("list", "string", repeats=True),
    item("again", "string", item("deep", "date"), repeats=True),
    item("plain", "group", item("in", "decimal"), item("note", "display", text="Mind.")),
    item("g", "group", item("x", "url"), item("h", "group", item("y", "boolean"), repeats=True), repeats=True),
    item("c", "open-choice", answerOption=[{"valueDate": "2026-01-01"}, {"valueCoding": {"code": "k"}}]),
)
IN_THE_TREE = {
    "type": "wrong-type",
    "unknown-item": "unknown-item",
    "misplaced-item": "unknown-item",
    "link-id-missing": "link-id-missing",
    "out-of-order": "out-of-order",
    "repeated": "repeated",
    "text-differs": "text-differs",
    "group-answer": "not-answerable",
    "display-answer": "not-answerable",
    "nested-items": "nested-items",
    "structure": "not-kept",
}
"""What the validator calls it, and what is said of a tree that is to be stored: the word of other doors, where they have one."""


def made(ordinal: int) -> str:
    return str(UUID(int=1_000 + ordinal))


def read(items: Any, known: Any = None, definition: Definition | None = None) -> Reading:
    return read_items(definition or compile_form(SMALL), items, made, known)


def given_back(tree: list[Json]) -> list[Json]:
    """A tree as it is given back: without texts, and without items that say nothing."""
    found: list[Json] = []
    for one in tree:
        answers = [
            {**{name: value for name, value in answer.items() if name != "item"}, **inner(answer)}
            for answer in one.get("answer", [])
        ]
        kept = {"linkId": one["linkId"], **({"id": one["id"]} if "id" in one else {}), **inner(one)}
        if answers:
            kept["answer"] = answers
        if len(kept) > 1:
            found.append(kept)
    return found


def inner(one: Json) -> Json:
    below = given_back(one.get("item", []))
    return {"item": below} if below else {}


def without_ids(tree: Any) -> Any:
    if isinstance(tree, list):
        return [without_ids(one) for one in tree]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(tree, dict):
        return {name: without_ids(value) for name, value in tree.items() if name != "id"}  # pyright: ignore[reportUnknownVariableType]
    return tree


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_a_valid_response_to_a_real_form_comes_back_as_it_was(name: str, data: st.DataObject):
    source = Form(real_form(name))
    definition = compile_form(source)
    items = data.draw(filled(source)).response().get("item")
    found = read(items, definition=definition)
    assert found.faults == ()
    assert without_ids(items_of(definition, found.answers, found.rows)) == given_back(items or [])


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_a_fault_that_only_a_tree_can_have_is_found_at_its_place(name: str, data: st.DataObject):
    source = Form(real_form(name))
    definition = compile_form(source)
    for wrong in data.draw(every_fault(source)):
        found = read(wrong.response.get("item"), definition=definition)
        if wrong.code in IN_THE_TREE:
            assert IN_THE_TREE[wrong.code] in {fault.code for fault in found.faults}, wrong
            assert all(fault.pointer.startswith(wrong.pointer) for fault in found.faults), (wrong, found.faults)
        else:
            assert found.faults == (), (wrong, found.faults)


FAULTS: list[tuple[Any, list[tuple[str, str]]]] = [
    (7, [("/item", "structure")]),
    ([], [("/item", "structure")]),
    ([7, {}], [("/item/0", "structure"), ("/item/1", "structure")]),
    ([{"linkId": 5}], [("/item/0", "link-id-missing")]),
    ([{"linkId": "nobody"}], [("/item/0", "unknown-item")]),
    ([{"linkId": "in"}], [("/item/0", "unknown-item")]),
    ([{"linkId": "a", "answer": 7}], [("/item/0/answer", "structure")]),
    ([{"linkId": "a", "answer": [{}]}], [("/item/0/answer/0", "structure")]),
    ([{"linkId": "a", "answer": [{"id": "x"}]}], [("/item/0/answer/0/id", "not-kept"), ("/item/0/answer/0", "structure")]),
    ([{"linkId": "a", "answer": [{"valueInteger": None}]}], [("/item/0/answer/0/valueInteger", "wrong-type")]),
    ([{"linkId": "a", "answer": [{"valueInteger": 1, "valueString": "x"}]}], [("/item/0/answer/0", "structure")]),
    ([{"linkId": "a", "answer": [{"valueDecimal": 1}]}], [("/item/0/answer/0/valueDecimal", "wrong-type")]),
    ([{"linkId": "a", "answer": [{"valueInteger": 1, "extension": []}]}], [("/item/0/answer/0/extension", "not-kept")]),
    (
        [{"linkId": "a", "answer": [{"valueInteger": 1, "_valueInteger": {"id": "x"}}]}],
        [("/item/0/answer/0/_valueInteger", "not-kept")],
    ),
    ([{"linkId": "a", "extension": [{"url": "urn:x"}]}], [("/item/0/extension", "not-kept")]),
    ([{"linkId": "a", "id": str(uuid4())}], [("/item/0/id", "not-kept")]),
    ([{"linkId": "a", "definition": "http://example.org/other"}], [("/item/0/definition", "not-kept")]),
    ([{"linkId": "a", "text": "Whatever"}], [("/item/0/text", "text-differs")]),
    ([{"linkId": "a", "item": [{"linkId": "list"}]}], [("/item/0", "nested-items")]),
    ([{"linkId": "a"}, {"linkId": "a"}], [("/item/1", "repeated")]),
    ([{"linkId": "list"}, {"linkId": "a"}], [("/item/1", "out-of-order")]),
    ([{"linkId": "plain", "answer": [{"valueString": "x"}]}], [("/item/0", "not-answerable")]),
    ([{"linkId": "plain", "item": 7}], [("/item/0/item", "structure")]),
    ([{"linkId": "g", "id": "first"}], [("/item/0/id", "not-kept")]),
    ([{"linkId": "again", "answer": [{"item": [{"linkId": "deep"}]}]}], [("/item/0/answer/0", "structure")]),
    ([{"linkId": "c", "answer": [{"valueString": "2026-01-01"}]}], [("/item/0/answer/0/valueString", "wrong-type")]),
    ([{"linkId": "c", "answer": [{"valueBoolean": True}]}], [("/item/0/answer/0/valueBoolean", "wrong-type")]),
]


@pytest.mark.parametrize(("items", "expected"), FAULTS)
def test_what_cannot_be_an_answer_is_named(items: Any, expected: list[tuple[str, str]]):
    assert [(fault.pointer, fault.code) for fault in read(items).faults] == expected


def test_the_same_id_cannot_be_that_of_two_rows():
    twice = str(uuid4())
    found = read([{"linkId": "g", "id": twice}, {"linkId": "g", "id": twice.upper()}])
    assert [(fault.pointer, fault.code) for fault in found.faults] == [("/item/1/id", "row-id")]


def test_what_repeats_what_the_form_says_is_no_answer():
    tree = [
        {"linkId": "a", "text": "How many?", "definition": "http://example.org/d"},
        {"linkId": "plain", "item": [{"linkId": "note", "text": "Mind."}]},
        {"linkId": "g"},
        {"linkId": "g", "item": [{"linkId": "x"}]},
    ]
    found = read(tree)
    assert (found.answers, found.rows, found.faults) == ({}, {}, ())


def test_a_row_that_has_an_id_is_there_though_it_says_nothing():
    id_ = str(uuid4())
    assert read([{"linkId": "g", "id": id_.upper()}]).rows == {"g": (id_,)}


def test_a_repeating_question_may_be_answered_in_several_items():
    tree = [{"linkId": "list", "answer": [{"valueString": value}]} for value in "xy"]
    assert read(tree).answers == {"list": ["x", "y"]}


def test_two_answers_to_one_question_are_left_to_the_rules_of_all_doors():
    tree = [{"linkId": "a", "answer": [{"valueInteger": 1}, {"valueInteger": 2}]}]
    found = read(tree)
    assert (found.answers, found.faults) == ({"a": [1, 2]}, ())


KNOWN = items_of(
    compile_form(SMALL),
    {
        "again": ["x", "y"],
        f"again[{UUID(int=1)}].deep": "2026",
        f"g[{UUID(int=3)}].x": "urn:a",
        f"g[{UUID(int=4)}].x": "urn:b",
        f"g[{UUID(int=4)}].h[{UUID(int=5)}].y": True,
    },
    {
        "again": (str(UUID(int=1)), str(UUID(int=2))),
        "g": (str(UUID(int=3)), str(UUID(int=4))),
        f"g[{UUID(int=4)}].h": (str(UUID(int=5)),),
    },
)


def rows_like(*urls: str) -> list[Json]:
    return [{"linkId": "g", "item": [{"linkId": "x", "answer": [{"valueUri": url}]}]} for url in urls]


def test_rows_without_ids_are_known_again_by_what_they_say_and_else_by_their_place():
    one, two, three, four, five = (str(UUID(int=number)) for number in range(1, 6))
    same = read(without_ids(KNOWN), KNOWN)
    assert same.rows == {"again": (one, two), "g": (three, four), f"g[{four}].h": (five,)}
    assert read(rows_like("urn:c", "urn:a"), KNOWN).rows == {"g": (made(0), three)}
    assert read(rows_like("urn:c"), KNOWN).rows == {"g": (three,)}
    lists = [{"linkId": "again", "answer": [{"valueString": "y"}, {"valueString": "z"}]}]
    assert read(lists, KNOWN).rows == {"again": (two, made(0))}
    moved = [{**KNOWN[2]}, {**KNOWN[1]}]
    assert read(moved, KNOWN).rows["g"] == (four, three)


def test_a_fault_of_an_answer_is_shown_where_the_answer_stands_in_the_tree():
    row = str(uuid4())
    tree = [
        {"linkId": "list", "answer": [{"valueString": "x"}, {"valueString": "y"}]},
        {"linkId": "plain", "item": [{"linkId": "in", "answer": [{"valueDecimal": 1}]}]},
        {"linkId": "g", "id": row, "item": [{"linkId": "x", "answer": [{"valueUri": "urn:x"}]}]},
        {"linkId": "c", "answer": [{"valueCoding": {"code": "z"}}]},
    ]
    definition = compile_form(SMALL)
    found = read(tree)
    for pointer, expected in (
        ("/answers/list/1", "/item/0/answer/1/valueString"),
        ("/answers/list", "/item/0/answer/0/valueString"),
        ("/answers/in", "/item/1/item/0/answer/0/valueDecimal"),
        (f"/answers/g[{row}].x", "/item/2/item/0/answer/0/valueUri"),
        (f"/answers/g[{row}]", "/item/2"),
        (f"/answers/g[{row}].h", "/item/2"),
        ("/answers/c/code", "/item/3/answer/0/valueCoding/code"),
        ("/answers/a", ""),
        ("/answers/nobody", ""),
        ("/subject", "/subject"),
        ("", ""),
    ):
        assert in_tree(definition, found, Fault(pointer, "x", "y", "z")) == Fault(expected, "x", "y", "z")
