"""Answers become the tree of items that FHIR has, and come back from it, with nothing lost."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.questionnaires import Definition, Item, compile_form
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules import items_of, read_items
from keepwell.domains.responses.rules.addresses import prefix
from keepwell.domains.responses.rules.tree import locate
from keepwell.kit.ids import new_id
from tests.support.forms import REAL_FORMS, form, item, real_form

MIXED = form(
    item("a", "string", item("below a", "boolean")),
    item("list", "integer", repeats=True),
    item("again", "string", item("deep", "quantity", item("deeper", "date"), repeats=True), repeats=True),
    item("plain", "group", item("in plain", "time"), item("note", "display")),
    item("g", "group", item("x", "url"), item("h", "group", item("y", "reference"), item("z", "open-choice"), repeats=True),
         item("again in g", "decimal", item("below it", "attachment"), repeats=True), repeats=True),
    item("c", "choice", answerOption=[{"valueDate": "2026"}, {"valueTime": "10:00:00"}, {"valueInteger": 3},
                                      {"valueReference": {"reference": "Patient/1"}}, {"valueCoding": {"code": "k"}}]),
    item("abstract", "question", item("below abstract")),
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "decimal": (1.5, 3, 0),
    "integer": (7, 0, -3),
    "date": ("2026", "2026-02"),
    "dateTime": ("2026-02-03T10:00:00Z",),
    "time": ("10:00:00",),
    "string": ("x", "2026"),
    "text": ("x\ny",),
    "url": ("urn:x",),
    "attachment": ({"url": "urn:x"},),
    "reference": ({"reference": "Patient/1"},),
    "quantity": ({"value": 1, "unit": "kg"},),
    "choice": ({"system": "s", "code": "c"},),
    "open-choice": ({"code": "c"}, "other"),
}


def a_value(item_: Item) -> st.SearchStrategy[Any]:
    options = [option.value for option in item_.options]
    return st.sampled_from(options or VALUES[item_.type])


@st.composite
def filled(draw: st.DrawFn, definition: Definition) -> tuple[Answers, Rows]:
    """Answers and rows as a response may hold them: every list a list, rows in place."""
    answers: Answers = {}
    rows: dict[str, tuple[str, ...]] = {}

    def fill(link_ids: tuple[str, ...], path: tuple[str, ...]) -> None:
        for link_id in link_ids:
            one = definition.items[link_id]
            address = prefix(one.groups, path) + link_id
            count = draw(st.integers(0, 2))
            if one.answerable and count:
                values = draw(st.lists(a_value(one), min_size=count, max_size=count))
                answers[address] = values if one.repeats else values[0]
            if one.rows and count:
                rows[address] = tuple(str(new_id()) for _ in range(count))
                for row in rows[address]:
                    fill(one.children, (*path, row))
            elif not one.rows:
                fill(one.children, path)

    fill(definition.top, ())
    return answers, rows


def no_id(_ordinal: int) -> str:
    raise AssertionError("every row brings its id")


def back(definition: Definition, tree: Any) -> tuple[Answers, Rows]:
    found = read_items(definition, tree or None, no_id)
    assert found.faults == ()
    return found.answers, found.rows


@pytest.mark.parametrize("name", ["mixed", *REAL_FORMS])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_answers_come_back_from_the_tree_as_they_were(name: str, data: st.DataObject):
    definition = compile_form(MIXED if name == "mixed" else real_form(name))
    answers, rows = data.draw(filled(definition))
    tree = items_of(definition, answers, rows)
    assert back(definition, tree) == (answers, rows)
    assert items_of(definition, *back(definition, tree)) == tree


def test_the_tree_is_the_one_fhir_has():
    definition = compile_form(MIXED)
    g, h, first, second = (str(new_id()) for _ in range(4))
    answers = {
        "a": "x",
        "below a": True,
        "list": [1, 2],
        "again": ["one", "two"],
        f"again[{second}].deep": [],
        "in plain": "10:00:00",
        f"g[{g}].h[{h}].z": "free text",
        "c": "2026",
        "below abstract": "y",
    }
    del answers[f"again[{second}].deep"]
    tree = items_of(definition, answers, {"again": (first, second), "g": (g,), f"g[{g}].h": (h,)})
    assert tree == [
        {"linkId": "a", "answer": [{"valueString": "x", "item": [{"linkId": "below a", "answer": [{"valueBoolean": True}]}]}]},
        {"linkId": "list", "answer": [{"valueInteger": 1}, {"valueInteger": 2}]},
        {"linkId": "again", "answer": [{"id": first, "valueString": "one"}, {"id": second, "valueString": "two"}]},
        {"linkId": "plain", "item": [{"linkId": "in plain", "answer": [{"valueTime": "10:00:00"}]}]},
        {"id": g, "linkId": "g", "item": [{"id": h, "linkId": "h", "item": [
            {"linkId": "z", "answer": [{"valueString": "free text"}]},
        ]}]},
        {"linkId": "c", "answer": [{"valueDate": "2026"}]},
        {"linkId": "abstract", "item": [{"linkId": "below abstract", "answer": [{"valueString": "y"}]}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("2026", "valueDate"),
        ("10:00:00", "valueTime"),
        (3, "valueInteger"),
        ({"reference": "Patient/1"}, "valueReference"),
        ({"code": "k"}, "valueCoding"),
    ],
)
def test_the_type_of_a_choice_is_that_of_its_option(value: Any, key: str):
    ((only,),) = (one["answer"] for one in items_of(compile_form(MIXED), {"c": value}, {}))
    assert only == {key: value}


def test_what_is_below_a_question_without_an_answer_is_kept():
    definition = compile_form(MIXED)
    tree = items_of(definition, {"below a": False}, {})
    assert tree == [{"linkId": "a", "answer": [{"item": [{"linkId": "below a", "answer": [{"valueBoolean": False}]}]}]}]
    assert back(definition, tree) == ({"below a": False}, {})


def test_rows_without_anything_are_there_or_left_out():
    definition, (g, h) = compile_form(MIXED), (str(new_id()), str(new_id()))
    rows = {"g": (g,), f"g[{g}].h": (h,)}
    assert items_of(definition, {}, rows) == [{"id": g, "linkId": "g", "item": [{"id": h, "linkId": "h"}]}]
    assert items_of(definition, {}, rows, empty_rows=False) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_place_in_the_tree_leads_back_to_its_address(data: st.DataObject):
    definition = compile_form(MIXED)
    answers, rows = data.draw(filled(definition))
    tree = items_of(definition, answers, rows)
    met: set[str] = set()

    def walk(items: list[dict[str, Any]], pointer: str) -> None:
        for index, one in enumerate(items):
            here = f"{pointer}/item/{index}"
            for place, answer in enumerate(one.get("answer", [])):
                for name in answer:
                    if name.startswith("value"):
                        found = locate(definition, tree, f"{here}/answer/{place}/{name}/code", one["linkId"])
                        stored = answers[found.address]
                        assert answer[name] == (stored[found.answer or 0] if isinstance(stored, list) else stored)
                        assert found.below == "/code"
                        met.add(found.address)
                walk(answer.get("item", []), f"{here}/answer/{place}")
            walk(one.get("item", []), here)

    walk(tree, "")
    assert met == set(answers)


def test_what_is_missing_is_placed_where_it_belongs():
    definition, (g, h) = compile_form(MIXED), (str(new_id()), str(new_id()))
    tree = items_of(definition, {}, {"g": (g,), f"g[{g}].h": (h,)})
    assert locate(definition, tree, "/item/0/item/0", "y").address == f"g[{g}].h[{h}].y"
    assert locate(definition, tree, "/item/0", "x").address == f"g[{g}].x"
    assert locate(definition, tree, "/item/0", "g").address == f"g[{g}]"
    assert locate(definition, tree, "", "a").address == "a"
    assert locate(definition, tree, "/status", None).address == ""
