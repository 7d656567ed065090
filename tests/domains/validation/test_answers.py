"""What each kind of question takes as an answer, and what is said of an answer it does not take."""

from typing import Any

import pytest

from keepwell.domains.validation import Issue, Severity, ValueSet, check, compile_form
from tests.support.forms import form, item
from tests.support.verdicts import standard_sets_or_skip

CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
UCUM = "http://unitsofmeasure.org"
RED, GREEN = ({"system": "http://example.org/colours", "code": code, "display": code.title()} for code in ("red", "green"))


def ext(name: str, **value: Any) -> dict[str, Any]:
    return {"url": name if name.startswith("http") else CORE + name, **value}


def asked(kind: str, *extensions: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return item("a", kind, **({"extension": list(extensions)} if extensions else {}), **elements)


def judged(question: dict[str, Any], *answers: dict[str, Any], strict: bool = True, **form_elements: Any) -> list[Issue]:
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [{"linkId": "a", "answer": list(answers)}],
    }
    return check(compile_form(form(question, **form_elements)), response, strict=strict)


def codes(issues: list[Issue], severity: Severity = Severity.ERROR) -> list[str]:
    return [issue.code for issue in issues if issue.severity is severity]


def quantity(value: float, code: str | None = None, **more: Any) -> dict[str, Any]:
    coded = {} if code is None else {"system": UCUM, "code": code}
    return {"valueQuantity": {"value": value, **coded, **more}}


def file(**attachment: Any) -> dict[str, Any]:
    return {"valueAttachment": attachment}


TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (asked("boolean"), {"valueBoolean": False}),
    (asked("decimal"), {"valueDecimal": 1}),
    (asked("decimal"), {"valueDecimal": -1.5e-9}),
    (asked("integer"), {"valueInteger": -(2**31)}),
    (asked("date"), {"valueDate": "2024"}),
    (asked("date"), {"valueDate": "2024-02-29"}),
    (asked("dateTime"), {"valueDateTime": "2024-02"}),
    (asked("dateTime"), {"valueDateTime": "2024-02-29T23:59:60.123456789-12:00"}),
    (asked("time"), {"valueTime": "00:00:00.5"}),
    (asked("string"), {"valueString": "é 日本"}),
    (asked("text"), {"valueString": "two\nlines"}),
    (asked("url"), {"valueUri": "urn:oid:1.2.3"}),
    (asked("choice"), {"valueCoding": RED}),
    (asked("choice"), {"valueString": "free where nothing is listed"}),
    (asked("open-choice", answerOption=[{"valueCoding": RED}]), {"valueString": "turquoise"}),
    (asked("attachment"), file(contentType="image/png", data="aGVsbG8=", size=5)),
    (asked("attachment"), file(url="http://example.org/x.png")),
    (asked("reference"), {"valueReference": {"reference": "Patient/1"}}),
    (asked("reference"), {"valueReference": {"identifier": {"value": "1"}, "display": "Somebody"}}),
    (asked("quantity"), quantity(1, "kg", unit="kg", comparator="<")),
    (asked("integer", ext("minValue", valueInteger=1), ext("maxValue", valueInteger=1)), {"valueInteger": 1}),
    (asked("decimal", ext("minValue", valueDecimal=0.1)), {"valueDecimal": 0.1}),
    (asked("decimal", ext("minValue", valueInteger=1)), {"valueDecimal": 1.0}),
    (asked("date", ext("maxValue", valueDate="2024-02")), {"valueDate": "2024-02-29"}),
    (asked("date", ext("minValue", valueDate="2024-02-01")), {"valueDate": "2024-02"}),
    (asked("dateTime", ext("minValue", valueDateTime="2024-01-01T00:00:00Z")), {"valueDateTime": "2024-01-01T01:00:00+01:00"}),
    (asked("time", ext("maxValue", valueTime="12:00:00")), {"valueTime": "12:00:00"}),
    (asked("decimal", ext("maxDecimalPlaces", valueInteger=2)), {"valueDecimal": 1.25}),
    (asked("decimal", ext("maxDecimalPlaces", valueInteger=0)), {"valueDecimal": 100.0}),
    (asked("decimal", ext("maxDecimalPlaces", valueInteger=2)), {"valueDecimal": 1e20}),
    (asked("string", maxLength=3), {"valueString": "abc"}),
    (asked("text", ext("minLength", valueInteger=3)), {"valueString": "abc"}),
    (asked("string", ext("regex", valueString="[a-c]+")), {"valueString": "abcabc"}),
    (asked("url", ext("regex", valueString="https://.*")), {"valueUri": "https://example.org"}),
    (asked("string", answerOption=[{"valueString": "x"}]), {"valueString": "x"}),
    (asked("integer", answerOption=[{"valueInteger": 1}]), {"valueInteger": 1}),
    (asked("decimal", answerOption=[{"valueInteger": 1}]), {"valueDecimal": 1.0}),
    (asked("date", answerOption=[{"valueDate": "2024"}]), {"valueDate": "2024"}),
    (asked("dateTime", answerOption=[{"valueDate": "2024"}]), {"valueDateTime": "2024"}),
    (asked("time", answerOption=[{"valueTime": "12:00:00"}]), {"valueTime": "12:00:00"}),
    (asked("choice", answerOption=[{"valueCoding": RED}]), {"valueCoding": {**RED, "display": "Rouge"}}),
    (asked("choice", answerOption=[{"valueCoding": {"display": "nameless"}}]), {"valueCoding": {"display": "nameless"}}),
    (asked("choice", answerOption=[{"valueInteger": 5}]), {"valueInteger": 5}),
    (asked("attachment", ext("maxSize", valueDecimal=5)), file(data="aGVsbG8=")),
    (asked("attachment", ext("mimeType", valueCode="image/*")), file(contentType="image/png; charset=x", data="aGVsbG8=")),
    (asked("attachment", ext("mimeType", valueCode="image/png")), file(contentType="IMAGE/PNG", url="http://x")),
    (asked("quantity", ext(SDC + "minQuantity", valueQuantity={"value": 1, "system": UCUM, "code": "kg"})), quantity(1_000, "g")),
    (
        asked("quantity", ext(SDC + "maxQuantity", valueQuantity={"value": 37, "system": UCUM, "code": "Cel"})),
        quantity(98.6, "[degF]"),
    ),
    (asked("quantity", ext(SDC + "maxQuantity", valueQuantity={"value": 5, "unit": "Kg"})), quantity(5, unit="kg")),
    (
        asked("quantity", ext("questionnaire-unitOption", valueCoding={"system": UCUM, "code": "m", "display": "metre"})),
        quantity(1, "m"),
    ),
    (
        asked(
            "quantity",
            ext("questionnaire-unitOption", valueCoding={"code": "m"}),
            ext(SDC + "unitOpen", valueCode="optionsOrString"),
        ),
        quantity(1, unit="ells"),
    ),
    (
        asked("reference", ext("questionnaire-referenceResource", valueCode="Patient")),
        {"valueReference": {"reference": "Patient/1"}},
    ),
    (
        asked("reference", ext("questionnaire-referenceResource", valueCode="Patient")),
        {"valueReference": {"reference": "http://example.org/fhir/Patient/1/_history/2"}},
    ),
    (
        asked("reference", ext("questionnaire-referenceResource", valueCode="Patient")),
        {"valueReference": {"type": "Patient", "identifier": {"value": "1"}}},
    ),
]


@pytest.mark.parametrize(("question", "answer"), TAKEN)
def test_a_fitting_answer_is_taken(question: dict[str, Any], answer: dict[str, Any]):
    assert codes(judged(question, answer)) == []


_KG = {"value": 5, "system": UCUM, "code": "kg"}
REFUSED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("type", "/valueString", asked("boolean"), {"valueString": "true"}),
    ("type", "/valueInteger", asked("decimal"), {"valueInteger": 1}),
    ("type", "/valueDecimal", asked("integer"), {"valueDecimal": 1.0}),
    ("type", "/valueDateTime", asked("date"), {"valueDateTime": "2024-02-29"}),
    ("type", "/valueDate", asked("dateTime"), {"valueDate": "2024-02-29"}),
    ("type", "/valueString", asked("url"), {"valueString": "http://example.org"}),
    ("type", "/valueUri", asked("string"), {"valueUri": "http://example.org"}),
    ("type", "/valueBoolean", asked("choice"), {"valueBoolean": True}),
    ("type", "/valueDecimal", asked("open-choice"), {"valueDecimal": 1.5}),
    ("type", "/valueCoding", asked("reference"), {"valueCoding": RED}),
    ("type", "/valueReference", asked("attachment"), {"valueReference": {"reference": "Binary/1"}}),
    ("type", "/valueDecimal", asked("quantity"), {"valueDecimal": 1}),
    ("structure", "", asked("string"), {"valueCode": "x"}),
    ("structure", "", asked("choice"), {"valueString": "x", "valueInteger": 1}),
    ("structure", "", asked("string"), {"valueString": "x", "mood": "good"}),
    ("malformed", "/valueString", asked("string"), {"valueString": ""}),
    ("malformed", "/valueString", asked("string"), {"valueString": "\x00"}),
    ("malformed", "/valueString", asked("string"), {"valueString": 5}),
    ("malformed", "/valueBoolean", asked("boolean"), {"valueBoolean": "true"}),
    ("malformed", "/valueBoolean", asked("boolean"), {"valueBoolean": None}),
    ("malformed", "/valueInteger", asked("integer"), {"valueInteger": 2**31}),
    ("malformed", "/valueInteger", asked("integer"), {"valueInteger": True}),
    ("malformed", "/valueDecimal", asked("decimal"), {"valueDecimal": float("nan")}),
    ("malformed", "/valueDate", asked("date"), {"valueDate": "2023-02-29"}),
    ("malformed", "/valueDate", asked("date"), {"valueDate": "20230228"}),
    ("malformed", "/valueDateTime", asked("dateTime"), {"valueDateTime": "2024-02-29T12:00:00"}),
    ("malformed", "/valueTime", asked("time"), {"valueTime": "12:00"}),
    ("malformed", "/valueUri", asked("url"), {"valueUri": "http://example.org/a b"}),
    ("malformed", "/valueCoding/code", asked("choice"), {"valueCoding": {"code": " x"}}),
    ("malformed", "/valueCoding/colour", asked("choice"), {"valueCoding": {"code": "x", "colour": "red"}}),
    ("malformed", "/valueCoding", asked("choice"), {"valueCoding": "red"}),
    ("malformed", "/valueQuantity/value", asked("quantity"), {"valueQuantity": {"value": "1"}}),
    ("malformed", "/valueQuantity/comparator", asked("quantity"), {"valueQuantity": {"value": 1, "comparator": "~"}}),
    ("malformed", "/valueAttachment/data", asked("attachment"), file(data="@@@")),
    ("malformed", "/valueReference", asked("reference"), {"valueReference": {}}),
    ("too-small", "/valueInteger", asked("integer", ext("minValue", valueInteger=1)), {"valueInteger": 0}),
    ("too-large", "/valueDecimal", asked("decimal", ext("maxValue", valueDecimal=0.3)), {"valueDecimal": 0.30000000000000004}),
    ("too-small", "/valueDate", asked("date", ext("minValue", valueDate="2024-02")), {"valueDate": "2024-01-31"}),
    (
        "too-large",
        "/valueDateTime",
        asked("dateTime", ext("maxValue", valueDateTime="2024-01-01T00:00:00Z")),
        {"valueDateTime": "2024-01-01T00:00:00.000000001Z"},
    ),
    ("too-large", "/valueTime", asked("time", ext("maxValue", valueTime="12:00:00")), {"valueTime": "12:00:00.1"}),
    ("too-many-decimals", "/valueDecimal", asked("decimal", ext("maxDecimalPlaces", valueInteger=2)), {"valueDecimal": 0.125}),
    ("too-many-decimals", "/valueQuantity", asked("quantity", ext("maxDecimalPlaces", valueInteger=0)), quantity(0.5)),
    ("too-long", "/valueString", asked("string", maxLength=2), {"valueString": "abc"}),
    ("too-long", "/valueString", asked("text", maxLength=2), {"valueString": "abc"}),
    ("too-long", "/valueUri", asked("url", maxLength=2), {"valueUri": "abc"}),
    ("too-long", "/valueString", asked("open-choice", maxLength=2), {"valueString": "abc"}),
    ("too-short", "/valueString", asked("string", ext("minLength", valueInteger=4)), {"valueString": "abc"}),
    ("pattern", "/valueString", asked("string", ext("regex", valueString="[0-9]+")), {"valueString": "a1"}),
    ("not-an-option", "/valueString", asked("string", answerOption=[{"valueString": "x"}]), {"valueString": "X"}),
    ("not-an-option", "/valueInteger", asked("integer", answerOption=[{"valueInteger": 1}]), {"valueInteger": 2}),
    ("not-an-option", "/valueDecimal", asked("decimal", answerOption=[{"valueInteger": 1}]), {"valueDecimal": 1.5}),
    ("not-an-option", "/valueDate", asked("date", answerOption=[{"valueDate": "2024"}]), {"valueDate": "2024-01"}),
    ("not-an-option", "", asked("choice", answerOption=[{"valueCoding": RED}]), {"valueCoding": GREEN}),
    ("not-an-option", "", asked("choice", answerOption=[{"valueCoding": RED}]), {"valueCoding": {"code": "red"}}),
    ("not-an-option", "", asked("choice", answerOption=[{"valueCoding": RED}]), {"valueString": "red"}),
    ("not-an-option", "", asked("open-choice", answerOption=[{"valueCoding": RED}]), {"valueCoding": GREEN}),
    ("not-an-option", "", asked("choice", answerOption=[{"valueInteger": 1}]), {"valueString": "1"}),
    ("file-too-large", "", asked("attachment", ext("maxSize", valueDecimal=4)), file(data="aGVsbG8=")),
    ("file-too-large", "", asked("attachment", ext("maxSize", valueDecimal=4)), file(url="http://x", size=5)),
    ("file-size", "/valueAttachment", asked("attachment"), file(data="aGVsbG8=", size=4)),
    (
        "file-type",
        "",
        asked("attachment", ext("mimeType", valueCode="image/png")),
        file(contentType="image/pngx", url="http://x"),
    ),
    ("file-type", "", asked("attachment", ext("mimeType", valueCode="image/*")), file(contentType="text/html", url="http://x")),
    ("file-type", "", asked("attachment", ext("mimeType", valueCode="image/png")), file(url="http://x")),
    ("too-small", "/valueQuantity", asked("quantity", ext(SDC + "minQuantity", valueQuantity=_KG)), quantity(4_999, "g")),
    ("too-large", "/valueQuantity", asked("quantity", ext(SDC + "maxQuantity", valueQuantity=_KG)), quantity(12, "[lb_av]")),
    ("unit-incomparable", "/valueQuantity", asked("quantity", ext(SDC + "maxQuantity", valueQuantity=_KG)), quantity(1, "m")),
    (
        "unit-incomparable",
        "/valueQuantity",
        asked("quantity", ext(SDC + "maxQuantity", valueQuantity=_KG)),
        quantity(1, unit="kg"),
    ),
    (
        "unit-not-allowed",
        "/valueQuantity",
        asked("quantity", ext("questionnaire-unitOption", valueCoding={"system": UCUM, "code": "m", "display": "metre"})),
        quantity(1, "m", unit="mile"),
    ),
    (
        "reference-type",
        "/valueReference",
        asked("reference", ext("questionnaire-referenceResource", valueCode="Patient")),
        {"valueReference": {"reference": "Group/1"}},
    ),
    (
        "reference-unclear",
        "/valueReference",
        asked("reference", ext("questionnaire-referenceResource", valueCode="Patient")),
        {"valueReference": {"reference": "urn:uuid:1"}},
    ),
    ("reference-type", "/valueReference", asked("reference"), {"valueReference": {"reference": "Nothing/1"}}),
]


@pytest.mark.parametrize(("code", "below", "question", "answer"), REFUSED)
def test_an_answer_that_does_not_fit_is_named_at_its_place(
    code: str, below: str, question: dict[str, Any], answer: dict[str, Any]
):
    issues = judged(question, answer)
    assert [(issue.code, issue.pointer) for issue in issues if issue.severity is Severity.ERROR] == [
        (code, "/item/0/answer/0" + below)
    ]
    assert all(issue.link_id == "a" for issue in issues)


@pytest.mark.parametrize(("code", "below", "question", "answer"), REFUSED)
def test_no_sentence_repeats_an_answer(code: str, below: str, question: dict[str, Any], answer: dict[str, Any]):
    marked = judged(question, {key: "ca-na-ry" if isinstance(given, str) else given for key, given in answer.items()})
    assert all("ca-na-ry" not in issue.message for issue in marked)


@pytest.mark.parametrize("strict", [True, False])
def test_what_an_answer_is_does_not_depend_on_being_submitted(*, strict: bool):
    assert all(codes(judged(question, answer, strict=strict)) == [code] for code, _, question, answer in REFUSED)


def test_a_short_text_on_two_lines_is_only_doubtful():
    assert codes(judged(asked("string"), {"valueString": "a\nb"}), Severity.WARNING) == ["line-break"]


def test_free_text_that_names_a_choice_is_only_doubtful():
    question = asked("open-choice", answerOption=[{"valueCoding": RED}])
    for text in ("red", "RED", "Red"):
        assert codes(judged(question, {"valueString": text}), Severity.WARNING) == ["like-an-option"]


def test_an_exclusive_answer_stands_alone():
    none = {"valueCoding": {"code": "none"}, "extension": [ext("questionnaire-optionExclusive", valueBoolean=True)]}
    question = asked("choice", repeats=True, answerOption=[{"valueCoding": RED}, {"valueCoding": GREEN}, none])
    chosen = {"valueCoding": {"code": "none"}}
    assert codes(judged(question, chosen)) == []
    assert codes(judged(question, {"valueCoding": RED}, {"valueCoding": GREEN})) == []
    issues = judged(question, {"valueCoding": RED}, chosen)
    assert [(issue.code, issue.pointer) for issue in issues] == [("exclusive", "/item/0/answer/1")]


def test_a_unit_nobody_knows_is_a_warning_where_it_hides_whether_a_limit_is_kept():
    issues = judged(asked("quantity", ext(SDC + "maxQuantity", valueQuantity=_KG)), quantity(1, "[smoot]"))
    assert [(issue.severity, issue.code) for issue in issues] == [(Severity.WARNING, "unit-unknown")]


def test_an_unusual_unit_is_a_warning():
    question = asked("quantity", ext("questionnaire-unit", valueCoding={"system": UCUM, "code": "kg"}))
    assert codes(judged(question, quantity(1, "g")), Severity.WARNING) == []
    assert codes(judged(question, quantity(1, "m")), Severity.WARNING) == ["unit-unexpected"]


def test_a_limit_that_compares_with_no_answer_is_told_to_the_author():
    compiled = compile_form(form(asked("integer", ext("minValue", valueDate="2024"))))
    assert [(one.code, one.pointer) for one in compiled.warnings] == [("bound-unusable", "/item/0/extension/0")]


def test_what_nobody_may_change_is_what_the_form_says():
    question = asked("string", readOnly=True, initial=[{"valueString": "given"}])
    assert codes(judged(question, {"valueString": "given"})) == []
    assert codes(judged(question, {"valueString": "changed"})) == ["read-only"]
    assert codes(judged(asked("string", readOnly=True), {"valueString": "from the record"})) == []
    chosen = asked("choice", readOnly=True, answerOption=[{"valueCoding": RED, "initialSelected": True}, {"valueCoding": GREEN}])
    assert codes(judged(chosen, {"valueCoding": RED})) == []
    assert codes(judged(chosen, {"valueCoding": GREEN})) == ["read-only"]


def test_what_nobody_sees_and_differs_is_doubtful():
    question = asked("string", ext("questionnaire-hidden", valueBoolean=True), initial=[{"valueString": "given"}])
    assert codes(judged(question, {"valueString": "other"}), Severity.WARNING) == ["hidden"]
    assert codes(judged(question, {"valueString": "given"}), Severity.WARNING) == []


COLOURS = {
    "resourceType": "ValueSet",
    "id": "colours",
    "compose": {"include": [{"system": RED["system"], "concept": [{"code": "red", "display": "Red"}]}]},
}


def bound(kind: str, canonical: str = "#colours") -> dict[str, Any]:
    return asked(kind, answerValueSet=canonical)


@pytest.mark.parametrize(
    ("kind", "answer", "found"),
    [
        ("choice", {"valueCoding": RED}, []),
        ("choice", {"valueCoding": {**RED, "display": " rED "}}, []),
        ("choice", {"valueCoding": GREEN}, ["not-in-value-set"]),
        ("choice", {"valueCoding": {"code": "red"}}, ["not-in-value-set"]),
        ("choice", {"valueCoding": {**RED, "display": "Blue"}}, ["display-differs"]),
        ("choice", {"valueString": "blue"}, ["not-an-option"]),
        ("open-choice", {"valueString": "blue"}, []),
        ("open-choice", {"valueCoding": {"display": "only a name"}}, []),
        ("open-choice", {"valueCoding": GREEN}, ["not-in-value-set"]),
        ("string", {"valueString": "red"}, []),
        ("string", {"valueString": "Red"}, ["not-an-option"]),
    ],
)
def test_answers_are_compared_with_a_contained_value_set(kind: str, answer: dict[str, Any], found: list[str]):
    assert codes(judged(bound(kind), answer, contained=[COLOURS])) == found


def test_a_stored_value_set_is_asked_before_the_standard_ones():
    canonical = "http://hl7.org/fhir/ValueSet/item-type"
    stored = ValueSet(canonical, {str(RED["system"]): {"red": ()}})
    compiled = compile_form(form(bound("choice", canonical)))
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [{"linkId": "a", "answer": [{"valueCoding": RED}]}],
    }
    issues = check(compiled, response, strict=True, value_sets={canonical: stored}.get)
    assert codes(issues) == []


def test_a_value_set_that_cannot_be_had_is_a_warning():
    issues = judged(bound("choice", "http://example.org/none"), {"valueCoding": RED})
    assert [(issue.severity, issue.code) for issue in issues] == [(Severity.WARNING, "value-set-unavailable")]
    compiled = compile_form(form(bound("choice", "#none")))
    assert [warning.code for warning in compiled.warnings] == ["value-set"]


def test_a_unit_is_compared_with_its_value_set():
    lengths = {
        "resourceType": "ValueSet",
        "id": "lengths",
        "compose": {"include": [{"system": UCUM, "concept": [{"code": "m"}, {"code": "cm"}]}]},
    }
    question = asked("quantity", ext("questionnaire-unitValueSet", valueCanonical="#lengths"))
    assert codes(judged(question, quantity(1, "cm"), contained=[lengths])) == []
    assert codes(judged(question, quantity(1, "kg"), contained=[lengths])) == ["unit-not-allowed"]


@pytest.mark.parametrize(
    ("canonical", "coding", "found"),
    [
        ("http://hl7.org/fhir/ValueSet/administrative-gender", ("http://hl7.org/fhir/administrative-gender", "female"), []),
        ("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1", ("http://hl7.org/fhir/administrative-gender", "male"), []),
        ("http://hl7.org/fhir/ValueSet/administrative-gender", ("http://hl7.org/fhir/administrative-gender", "f"), ["error"]),
        ("http://hl7.org/fhir/ValueSet/administrative-gender", ("http://example.org", "female"), ["error"]),
        ("http://hl7.org/fhir/ValueSet/languages", ("urn:ietf:bcp:47", "de-CH"), []),
        ("http://hl7.org/fhir/ValueSet/observation-codes", ("http://loinc.org", "8480-6"), ["warning"]),
        ("http://hl7.org/fhir/ValueSet/observation-codes", ("http://loinc.org", "blood pressure"), ["error"]),
        ("http://hl7.org/fhir/ValueSet/observation-codes", ("http://snomed.info/sct", "271649006"), ["error"]),
        ("http://hl7.org/fhir/ValueSet/iso3166-1-2", ("urn:iso:std:iso:3166", "CH"), []),
        (
            "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
            ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB"),
            [],
        ),
        ("http://terminology.hl7.org/ValueSet/v2-0001", ("http://terminology.hl7.org/CodeSystem/v2-0001", "F"), []),
    ],
)
def test_the_standard_value_sets_of_r4_are_known(canonical: str, coding: tuple[str, str], found: list[str]):
    standard_sets_or_skip()
    issues = judged(bound("choice", canonical), {"valueCoding": {"system": coding[0], "code": coding[1]}})
    assert [issue.severity for issue in issues] == found
