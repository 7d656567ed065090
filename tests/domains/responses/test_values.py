"""Each R4 item type takes its own values and no others."""

from typing import Any

import pytest

from tests.support.forms import item
from tests.support.sheet import begun, places

A, B = {"system": "http://example.org", "code": "a", "display": "Alpha"}, {"system": "http://example.org", "code": "b"}
CODED = [{"valueCoding": A}, {"valueCoding": B}, {"valueCoding": {**B, "system": "http://elsewhere.org"}}]

FITTING: list[tuple[dict[str, Any], Any]] = [
    (item("i", "boolean"), False),
    (item("i", "decimal"), 0.1),
    (item("i", "decimal"), 3),
    (item("i", "integer"), -(2**31)),
    (item("i", "date"), "2026"),
    (item("i", "date"), "2026-02"),
    (item("i", "date"), "2024-02-29"),
    (item("i", "dateTime"), "2026-02"),
    (item("i", "dateTime"), "2026-02-28T23:59:59.5+05:30"),
    (item("i", "time"), "23:59:59"),
    (item("i", "string"), "naïve ☃"),
    (item("i", "text"), "line\nline"),
    (item("i", "url"), "https://example.org/a?b=c"),
    (item("i", "choice"), A),
    (item("i", "choice", answerOption=CODED), A),
    (item("i", "choice", answerOption=[{"valueString": "x"}, {"valueInteger": 1}, {"valueDate": "2026"}]), "x"),
    (item("i", "choice", answerOption=[{"valueString": "x"}, {"valueInteger": 1}, {"valueDate": "2026"}]), 1),
    (item("i", "choice", answerOption=[{"valueReference": {"reference": "Patient/1"}}]), {"reference": "Patient/1"}),
    (item("i", "choice", answerValueSet="http://example.org/vs"), {"code": "anything"}),
    (item("i", "open-choice", answerOption=CODED), "something else"),
    (item("i", "open-choice", answerOption=CODED), B),
    (item("i", "attachment"), {"contentType": "text/plain", "data": "aGk="}),
    (item("i", "reference"), {"reference": "Practitioner/1"}),
    (item("i", "quantity"), {"value": 1.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}),
    (item("i", "string", answerOption=[{"valueString": "x"}]), "x"),
    (item("i", "string", repeats=True), ["a", "b"]),
    (item("i", "string", repeats=True), "a"),
    (item("i", "string", maxLength=3), "abc"),
]


@pytest.mark.parametrize(("asked", "value"), FITTING)
def test_a_value_that_fits_is_stored_as_it_was_sent(asked: dict[str, Any], value: Any):
    sheet = begun(asked)
    assert sheet.patch(i=value) is None
    assert sheet.answers == {"i": value}
    assert type(sheet.answers["i"]) is type(value)


MISFITS: list[tuple[dict[str, Any], Any, str, str]] = [
    (item("i", "boolean"), "true", "", "wrong-type"),
    (item("i", "boolean"), 1, "", "wrong-type"),
    (item("i", "decimal"), "1.5", "", "wrong-type"),
    (item("i", "decimal"), True, "", "wrong-type"),
    (item("i", "decimal"), 2**70, "", "wrong-type"),
    (item("i", "integer"), 1.0, "", "wrong-type"),
    (item("i", "integer"), 2**31, "", "wrong-type"),
    (item("i", "date"), "2026-02-30", "", "wrong-type"),
    (item("i", "date"), "2026-02-28T10:00:00Z", "", "wrong-type"),
    (item("i", "dateTime"), "2026-02-28T10:00:00", "", "wrong-type"),
    (item("i", "time"), "24:00:00", "", "wrong-type"),
    (item("i", "string"), "", "", "wrong-type"),
    (item("i", "string"), "bell \x07", "", "wrong-type"),
    (item("i", "string"), A, "", "wrong-type"),
    (item("i", "url"), "has space", "", "wrong-type"),
    (item("i", "choice"), "a", "", "wrong-type"),
    (item("i", "choice"), {"system": "http://example.org"}, "", "wrong-type"),
    (item("i", "choice", answerOption=CODED), {"system": "http://example.org", "code": "z"}, "", "not-an-option"),
    (item("i", "choice", answerOption=CODED), {"code": "a"}, "", "not-an-option"),
    (item("i", "choice", answerOption=CODED), "b", "", "not-an-option"),
    (item("i", "choice", answerOption=CODED), "z", "", "not-an-option"),
    (item("i", "choice", answerOption=[{"valueInteger": 1}]), True, "", "wrong-type"),
    (item("i", "open-choice", answerOption=CODED), {"code": "z"}, "", "not-an-option"),
    (item("i", "attachment"), "aGk=", "", "wrong-type"),
    (item("i", "attachment"), {"data": "?"}, "/data", "wrong-type"),
    (item("i", "reference"), {"reference": 1}, "/reference", "wrong-type"),
    (item("i", "reference"), {"type": "Patient"}, "", "wrong-type"),
    (item("i", "quantity"), 5, "", "wrong-type"),
    (item("i", "quantity"), {"value": "5"}, "/value", "wrong-type"),
    (item("i", "quantity"), {"value": 5, "units": "kg"}, "/units", "wrong-type"),
    (item("i", "string", answerOption=[{"valueString": "x"}]), "y", "", "not-an-option"),
    (item("i", "string"), ["a"], "", "not-repeating"),
    (item("i", "string", repeats=True), ["a", 1, None], "/1", "wrong-type"),
    (item("i", "string", maxLength=3), "abcd", "", "too-long"),
    (item("i", "group", item("below")), "x", "", "not-answerable"),
    (item("i", "display"), "x", "", "not-answerable"),
    (item("i", "display"), None, "", "not-answerable"),
    (item("i", "question"), A, "", "not-answerable"),
]


@pytest.mark.parametrize(("asked", "value", "below", "code"), MISFITS)
def test_a_value_that_does_not_fit_is_refused_at_its_place(asked: dict[str, Any], value: Any, below: str, code: str):
    sheet = begun(asked)
    refusal = sheet.patch(i=value)
    assert refusal is not None
    assert refusal.code == "invalid-answers"
    assert (refusal.faults[0].pointer, refusal.faults[0].code, refusal.faults[0].linkId) == (f"/answers/i{below}", code, "i")
    assert sheet.answers == {}


def test_every_faulty_value_of_a_list_is_named():
    sheet = begun(item("i", "integer", repeats=True))
    assert places(sheet.patch(i=[1, "a", None])) == [("/answers/i/1", "wrong-type"), ("/answers/i/2", "wrong-type")]


def test_a_bare_code_that_means_one_option_becomes_that_option():
    extended = {**A, "extension": [{"url": "http://example.org/score", "valueDecimal": 3}]}
    sheet = begun(item("i", "choice", answerOption=[{"valueCoding": extended}, {"valueCoding": B}]))
    assert sheet.patch(i="a") is None
    assert sheet.answers == {"i": A}


def test_an_empty_list_clears():
    sheet = begun(item("i", "string", repeats=True))
    assert sheet.patch(i=["a"]) is None
    assert sheet.patch(i=[]) is None
    assert sheet.answers == {}


def test_no_message_repeats_what_was_answered():
    sheet = begun(item("i", "integer"), item("j", "choice", answerOption=CODED), item("k", "quantity"))
    refusal = sheet.patch(i="secret", j="secret", k={"value": "secret"})
    assert refusal is not None
    assert len(refusal.faults) == 3
    assert not any("secret" in fault.message for fault in refusal.faults)
