"""Parameters as sent: split, unescaped, known or refused; the same condition has one form however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.fhir.rules.parameters import normal_form, plain, read_query, split, token
from keepwell.domains.fhir.rules.types import PATIENT, QUESTIONNAIRE_RESPONSE
from keepwell.kernel import Refused

TEXTS = st.text(st.sampled_from("ab\\,|$ "), min_size=1, max_size=8)


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, "\\" + character)
    return text


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_values_that_were_escaped_come_apart_as_they_were(values: list[str]):
    assert [plain(value) for value in split(",".join(map(escaped, values)))] == values


@given(st.none() | st.just("") | TEXTS, TEXTS)
def test_tokens_come_apart_as_they_were(system: str | None, code: str):
    sent = escaped(code) if system is None else f"{escaped(system)}|{escaped(code)}"
    assert token(sent) == (system, code)


def test_a_query_is_read_whole():
    pairs = [("family", "a,b"), ("given:exact", "C"), ("_count", "7"), ("_sort", "-_lastUpdated"), ("_total", "accurate")]
    query = read_query(PATIENT, pairs)
    assert [(one.name, one.modifier, one.values) for one in query.filters] == [
        ("family", "", ("a", "b")),
        ("given", "exact", ("C",)),
    ]
    assert (query.count, query.by, query.descending, query.counted, query.listed) == (7, "updated_at", True, True, True)
    assert query.used == tuple(pairs)
    assert read_query(PATIENT, []).filters == ()
    assert read_query(PATIENT, [("_count", "5000")]).count == 1_000


def test_every_fault_is_named_at_once():
    with pytest.raises(Refused) as refused:
        read_query(QUESTIONNAIRE_RESPONSE, [("x", "1"), ("_count", "a"), ("status:not", "b"), ("_sort", "x"), ("_sort", "_id")])
    found = [(fault.pointer, fault.code) for fault in refused.value.refusal.faults]
    assert found == [
        ("?x", "unknown-parameter"),
        ("?_count", "invalid-value"),
        ("?status:not", "unknown-modifier"),
        ("?_sort", "invalid-value"),
        ("?_sort", "repeated-parameter"),
    ]


def test_conditions_that_mean_the_same_are_the_same():
    def form(*pairs: tuple[str, str]) -> str:
        return normal_form(read_query(PATIENT, pairs))

    assert form(("family", "a,b"), ("given", "c")) == form(("given", "c"), ("family", "b,a,b"))
    assert form(("family", "a")) != form(("family:exact", "a"))
    assert form(("family", "a"), ("family", "b")) != form(("family", "a,b"))
    assert form(("family", "a\\,b")) != form(("family", "a,b"))
