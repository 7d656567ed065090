"""Forms with something in them changed at random: each gets a verdict, and each that is accepted can be compiled and answered."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.questionnaires import compile_form, verdict
from keepwell.domains.responses.rules import Filled, shortcomings
from tests.support.forms import form, item

CODING = {"system": "http://example.org", "code": "a", "display": "A"}
RICH = form(
    item("b", "boolean", required=True, initial=[{"valueBoolean": True}]),
    item("c", "choice", answerOption=[{"valueCoding": CODING}, {"valueString": "x"}], repeats=True),
    item("q", "quantity", enableWhen=[{"question": "c", "operator": "=", "answerCoding": CODING}]),
    item(
        "g",
        "group",
        item("d", "date", enableWhen=[{"question": "b", "operator": "=", "answerBoolean": True}]),
        item("n", "integer", maxLength=3),
        item("s", "string", item("help", "display"), enableWhen=[
            {"question": "d", "operator": ">", "answerDate": "2026"},
            {"question": "n", "operator": "exists", "answerBoolean": True},
        ], enableBehavior="any"),
        repeats=True,
        code=[CODING],
    ),
    extension=[{"url": "http://example.org", "valueDuration": {"value": 1, "unit": "year"}}],
    contained=[{"resourceType": "ValueSet", "id": "vs"}],
    text={"status": "generated", "div": "<div>x</div>"},
    _title={"id": "t"},
    title="Rich",
)  # fmt: skip
ROW = "01902a5c-7b2e-7c3d-8e4f-000000000001"
ANSWERS = {
    "b": True, "c": [CODING], "q": {"value": 1}, f"g[{ROW}].d": "2026-05", f"g[{ROW}].n": 5, f"g[{ROW}].s": "x",
}  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PUT_IN: list[Any] = [
    None,
    True,
    7,
    0.5,
    2**70,
    "",
    "x",
    "true",
    "7",
    "b",
    "g",
    "group",
    "display",
    "choice",
    "\x00",
    [],
    {},
    ["x"],
    [{}],
    {"x": 1},
    CODING,
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to everything inside."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value))
    elif isinstance(value, list):
        inner = list(range(len(cast("list[Any]", value))))
    for step in inner:
        yield (*at, step)
        yield from places(cast("Any", value)[step], (*at, step))


PLACES = list(places(RICH))


def test_the_form_is_faultless_before_it_is_changed():
    assert verdict(RICH).faults == ()
    assert shortcomings(compile_form(RICH), Filled(ANSWERS, {"g": (ROW,)}, NOW)) == ()


@settings(max_examples=1_500)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(PUT_IN)), min_size=1, max_size=2))
def test_a_changed_form_is_refused_or_works(changes: list[tuple[tuple[Any, ...], Any]]):
    changed: Any = deepcopy(RICH)
    for path, value in changes:
        inside = changed
        try:
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took away what the second one meant
    if verdict(changed).faults:
        return
    msgspec.msgpack.encode(changed)
    definition = compile_form(changed)
    assert set(definition.items) == definition.form.link_ids
    shortcomings(definition, Filled(ANSWERS, {"g": (ROW,)}, NOW))
