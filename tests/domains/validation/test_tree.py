"""The tree of items: what must be there, what must not, which instance a condition looks at."""

from typing import Any

import pytest

from keepwell.domains.validation import Issue, Severity, check, compile_form
from tests.support.forms import form, item

CORE = "http://hl7.org/fhir/StructureDefinition/"


def whole(*items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    found = {"resourceType": "QuestionnaireResponse", "status": "completed", **elements}
    return {**found, "item": list(items)} if items else found


def text(link_id: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"linkId": link_id, "answer": [{"valueString": value, **more} for value in values]}


def group(link_id: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"linkId": link_id, "item": list(items)}


def issues(resource: dict[str, Any], response: dict[str, Any], *, strict: bool = True) -> list[Issue]:
    return check(compile_form(resource), response, strict=strict)


def errors(resource: dict[str, Any], response: dict[str, Any], *, strict: bool = True) -> list[tuple[str, str]]:
    found = issues(resource, response, strict=strict)
    return [(issue.code, issue.pointer) for issue in found if issue.severity is Severity.ERROR]


def times(least: int | None = None, most: int | None = None) -> dict[str, Any]:
    bounds = {"questionnaire-minOccurs": least, "questionnaire-maxOccurs": most}
    return {"extension": [{"url": CORE + name, "valueInteger": value} for name, value in bounds.items() if value is not None]}


def test_what_is_required_is_missed_where_it_belongs():
    resource = form(item("a", required=True), item("g", "group", item("b", required=True), item("c")))
    assert errors(resource, whole()) == [("required", "")]
    assert errors(resource, whole(text("a", "x"))) == []
    assert errors(resource, whole(text("a", "x"), group("g", text("c", "x")))) == [("required", "/item/1")]
    assert errors(resource, whole({"linkId": "a"})) == [("required", "/item/0")]


def test_an_answer_without_a_value_answers_nothing():
    resource = form(item("a", required=True))
    absent = {"extension": [{"url": CORE + "data-absent-reason", "valueCode": "unknown"}]}
    assert errors(resource, whole({"linkId": "a", "answer": [absent]})) == [("required", "/item/0")]
    assert errors(resource, whole({"linkId": "a", "answer": [{"_valueString": absent}]})) == [("required", "/item/0")]


def test_a_required_group_must_be_there_and_hold_something():
    resource = form(item("g", "group", item("a"), required=True))
    assert errors(resource, whole()) == [("required", "")]
    assert errors(resource, whole({"linkId": "g"})) == [("group-empty", "/item/0")]
    assert errors(resource, whole(group("g", text("a", "x")))) == []


def test_what_is_required_below_an_answer_is_missed_there():
    resource = form(item("a", "string", item("b", required=True), repeats=True))
    inner = [text("b", "x")]
    good = {"linkId": "a", "answer": [{"valueString": "1", "item": inner}, {"valueString": "2", "item": inner}]}
    assert errors(resource, whole(good)) == []
    assert errors(resource, whole(text("a", "1"))) == [("required", "/item/0/answer/0")]
    assert errors(resource, whole({"linkId": "a", "answer": [{"valueString": "1", "item": inner}, {"valueString": "2"}]})) == [
        ("required", "/item/0/answer/1")
    ]
    assert errors(resource, whole()) == []


def test_while_in_progress_what_is_missing_is_a_warning():
    resource = form(item("a", required=True), item("g", "group", item("b"), required=True), item("c", repeats=True, **times(2)))
    response = whole({"linkId": "g"}, text("c", "x"))
    assert errors(resource, response, strict=False) == []
    found = {(issue.code, issue.severity) for issue in issues(resource, response, strict=False)}
    assert found == {(code, Severity.WARNING) for code in ("required", "group-empty", "min-occurs")}


def test_the_number_of_answers_is_within_its_bounds_ends_included():
    resource = form(item("a", repeats=True, required=True, **times(2, 3)))
    assert errors(resource, whole(text("a", "1"))) == [("min-occurs", "/item/0")]
    assert errors(resource, whole(text("a", "1", "2"))) == []
    assert errors(resource, whole(text("a", "1", "2", "3"))) == []
    assert errors(resource, whole(text("a", "1", "2", "3", "4"))) == [("max-occurs", "/item/0")]
    assert errors(resource, whole(text("a", "1"), text("a", "2"))) == []


def test_the_number_of_rows_is_within_its_bounds_ends_included():
    resource = form(item("g", "group", item("a"), repeats=True, required=True, **times(2, 3)))
    rows = [group("g", text("a", "x"))] * 4
    assert errors(resource, whole(*rows[:1])) == [("min-occurs", "/item/0")]
    assert errors(resource, whole(*rows[:2])) == errors(resource, whole(*rows[:3])) == []
    assert errors(resource, whole(*rows)) == [("max-occurs", "/item/3")]


def test_an_optional_item_that_is_absent_has_too_few_of_nothing():
    assert errors(form(item("a", repeats=True, **times(2))), whole()) == []


BROKEN: list[tuple[Any, tuple[str, str]]] = [
    ({"linkId": "a", "answer": []}, ("structure", "/item/0/answer")),
    ({"linkId": "a", "answer": {}}, ("structure", "/item/0/answer")),
    ({"linkId": "a", "answer": [None]}, ("structure", "/item/0/answer/0")),
    ({"linkId": "a", "answer": [{}]}, ("structure", "/item/0/answer/0")),
    ({"linkId": "a", "text": None}, ("structure", "/item/0")),
    ({"linkId": "a", "text": "A"}, ("text-differs", "/item/0")),
    ({"linkId": "a", "answer": [{"valueString": "x", "item": []}]}, ("structure", "/item/0/answer/0/item")),
    (
        {"linkId": "a", "answer": [{"valueString": "x", "item": [text("b", "x")]}]},
        ("misplaced-item", "/item/0/answer/0/item/0"),
    ),
    ({"linkId": "g", "item": []}, ("structure", "/item/0/item")),
    ({"linkId": "g", "answer": [{"valueString": "x"}]}, ("group-answer", "/item/0")),
    ({"linkId": "d", "answer": [{"valueString": "x"}]}, ("display-answer", "/item/0")),
    ({"linkId": "d", "item": [text("a", "x")]}, ("display-items", "/item/0")),
    ({"linkId": "q", "answer": [{"valueString": "x"}]}, ("abstract-answer", "/item/0")),
    ({"linkId": "", "answer": [{"valueString": "x"}]}, ("link-id-missing", "/item/0")),
    (None, ("structure", "/item/0")),
    (text("b", "x"), ("misplaced-item", "/item/0")),
    (text("z", "x"), ("unknown-item", "/item/0")),
]


@pytest.mark.parametrize(("broken", "expected"), BROKEN)
def test_structure_is_checked_wherever_it_stands(broken: Any, expected: tuple[str, str]):
    resource = form(item("a"), item("g", "group", item("b")), item("d", "display"), item("q", "question"))
    assert errors(resource, {**whole(), "item": [broken]}) == [expected]


def test_an_unknown_link_id_is_not_repeated():
    [issue] = issues(form(item("a")), whole(text("somebody's name", "x")))
    assert issue.link_id is None
    assert "somebody" not in issue.message + issue.expression


def test_the_heading_is_checked():
    resource = form(item("a"))
    assert errors(resource, {"resourceType": "Patient", "status": "completed"}) == [("malformed", "/resourceType")]
    assert errors(resource, {"resourceType": "QuestionnaireResponse"}) == [("structure", "")]
    assert errors(resource, whole(status="finished")) == [("status", "/status")]
    assert errors(resource, whole(mood="good")) == [("structure", "")]
    assert errors(resource, whole(authored="yesterday")) == [("malformed", "/authored")]
    assert errors(resource, whole(authored="2026-03-01T12:00:00Z", subject={"reference": "Patient/1"}, _status={"id": "x"})) == []


@pytest.mark.parametrize(
    ("authored", "inside"),
    [
        ("2026-01-31T23:59:59Z", False),
        ("2026-02-01", True),
        ("2026-02-28T23:00:00+14:00", True),
        ("2026-03-01", False),
        ("2026", True),
    ],
)
def test_answers_outside_the_time_of_the_form_are_doubtful(authored: str, *, inside: bool):
    resource = form(item("a"), effectivePeriod={"start": "2026-02-01", "end": "2026-02-28"})
    found = [(issue.code, issue.severity) for issue in issues(resource, whole(authored=authored))]
    assert found == ([] if inside else [("outside-period", Severity.WARNING)])


def test_a_pointer_leads_to_the_place_it_names():
    resource = form(item("g/~", "group", item("a", "string", item("b", "integer")), repeats=True))
    inner = {"linkId": "b", "answer": [{"valueInteger": "1"}]}
    response = whole(
        group("g/~", text("a", "x")), group("g/~", {"linkId": "a", "answer": [{"valueString": "x", "item": [inner]}]})
    )
    [issue] = issues(resource, response)
    assert issue.pointer == "/item/1/item/0/answer/0/item/0/answer/0/valueInteger"
    assert issue.expression == ("QuestionnaireResponse.item[1].item[0].answer[0].item[0].answer[0].value.ofType(integer)")


def when(question: str, operator: str, **answer: Any) -> dict[str, Any]:
    return {"question": question, "operator": operator, **answer}


KG = {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}
RED = {"system": "http://example.org", "code": "red"}
CONDITIONS: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("integer", when("a", "=", answerInteger=5), {"valueInteger": 5}, True),
    ("integer", when("a", "=", answerDecimal=5.0), {"valueInteger": 5}, True),
    ("integer", when("a", "!=", answerInteger=5), {"valueInteger": 5}, False),
    ("integer", when("a", ">", answerInteger=5), {"valueInteger": 5}, False),
    ("integer", when("a", ">=", answerInteger=5), {"valueInteger": 5}, True),
    ("decimal", when("a", "<", answerDecimal=0.3), {"valueDecimal": 0.1}, True),
    ("decimal", when("a", "<=", answerDecimal=0.1), {"valueDecimal": 0.1}, True),
    ("boolean", when("a", "=", answerBoolean=True), {"valueBoolean": True}, True),
    ("boolean", when("a", "!=", answerBoolean=True), {"valueBoolean": False}, True),
    ("boolean", when("a", "exists", answerBoolean=True), {"valueBoolean": False}, True),
    ("boolean", when("a", "exists", answerBoolean=False), {"valueBoolean": False}, False),
    ("string", when("a", "=", answerString="x"), {"valueString": "X"}, False),
    ("string", when("a", ">", answerString="a"), {"valueString": "b"}, True),
    ("date", when("a", "<", answerDate="2026-02-01"), {"valueDate": "2026-01-31"}, True),
    ("date", when("a", "=", answerDate="2026-02"), {"valueDate": "2026-02-01"}, False),
    ("date", when("a", "=", answerDate="2026-02"), {"valueDate": "2026-02"}, True),
    ("date", when("a", ">", answerDate="2025"), {"valueDate": "2026-02-01"}, True),
    ("dateTime", when("a", "=", answerDateTime="2026-01-01T00:00:00Z"), {"valueDateTime": "2026-01-01T01:00:00+01:00"}, True),
    ("dateTime", when("a", ">", answerDate="2025-12-31"), {"valueDateTime": "2026-01-01T01:00:00+01:00"}, True),
    ("time", when("a", ">=", answerTime="12:00:00"), {"valueTime": "12:00:00"}, True),
    ("url", when("a", "=", answerString="http://x"), {"valueUri": "http://x"}, True),
    ("choice", when("a", "=", answerCoding=RED), {"valueCoding": {**RED, "display": "Red"}}, True),
    ("choice", when("a", "=", answerCoding=RED), {"valueCoding": {"code": "red"}}, False),
    ("choice", when("a", "=", answerCoding={"code": "red"}), {"valueCoding": RED}, True),
    ("choice", when("a", "!=", answerCoding=RED), {"valueCoding": {**RED, "code": "green"}}, True),
    ("choice", when("a", "=", answerCoding=RED), {"valueString": "red"}, False),
    ("choice", when("a", "!=", answerCoding=RED), {"valueString": "red"}, True),
    ("quantity", when("a", "=", answerQuantity=KG), {"valueQuantity": {**KG, "value": 1_000, "code": "g"}}, True),
    ("quantity", when("a", ">", answerQuantity=KG), {"valueQuantity": {**KG, "value": 3, "code": "[lb_av]"}}, True),
    ("quantity", when("a", ">", answerQuantity=KG), {"valueQuantity": {**KG, "value": 3, "code": "m"}}, False),
    (
        "reference",
        when("a", "=", answerReference={"reference": "Patient/1"}),
        {"valueReference": {"reference": "Patient/1"}},
        True,
    ),
]


@pytest.mark.parametrize(("kind", "condition", "answer", "enabled"), CONDITIONS)
def test_a_condition_holds_as_its_operator_says(kind: str, condition: dict[str, Any], answer: dict[str, Any], *, enabled: bool):
    resource = form(item("a", kind), item("b", enableWhen=[condition]))
    response = whole({"linkId": "a", "answer": [answer]}, text("b", "x"))
    assert errors(resource, response) == ([] if enabled else [("disabled", "/item/1")])


@pytest.mark.parametrize("operator", ["=", "!=", "<", ">", "<=", ">="])
def test_no_comparison_holds_without_an_answer(operator: str):
    resource = form(item("a", "integer"), item("b", enableWhen=[when("a", operator, answerInteger=5)]))
    assert errors(resource, whole(text("b", "x"))) == [("disabled", "/item/0")]


def test_one_answer_that_fits_is_enough():
    resource = form(item("a", "integer", repeats=True), item("b", enableWhen=[when("a", ">", answerInteger=5)]))
    several = {"linkId": "a", "answer": [{"valueInteger": 1}, {"valueInteger": 9}]}
    assert errors(resource, whole(several, text("b", "x"))) == []


def test_what_is_disabled_is_not_missed():
    resource = form(
        item("a", "boolean"),
        item("g", "group", item("b", required=True), required=True, enableWhen=[when("a", "=", answerBoolean=True)]),
    )
    assert errors(resource, whole({"linkId": "a", "answer": [{"valueBoolean": False}]})) == []
    assert errors(resource, whole({"linkId": "a", "answer": [{"valueBoolean": True}]})) == [("required", "")]


def test_an_empty_item_that_is_disabled_harms_nobody():
    resource = form(item("a"), item("b", text="B", enableWhen=[when("a", "exists", answerBoolean=True)]))
    assert errors(resource, whole({"linkId": "b", "text": "B"})) == []


def test_an_answer_that_does_not_apply_enables_nothing():
    resource = form(
        item("a"),
        item("b", enableWhen=[when("a", "exists", answerBoolean=True)]),
        item("c", enableWhen=[when("b", "exists", answerBoolean=True)]),
        item("g", "group", item("d"), enableWhen=[when("a", "exists", answerBoolean=True)]),
        item("e", enableWhen=[when("d", "exists", answerBoolean=True)]),
    )
    everything = (text("b", "x"), text("c", "x"), group("g", text("d", "x")), text("e", "x"))
    assert errors(resource, whole(text("a", "x"), *everything)) == []
    assert errors(resource, whole(*everything)) == [("disabled", f"/item/{index}") for index in range(4)]


BOTH = [when("a", "exists", answerBoolean=True), when("b", "exists", answerBoolean=True)]


@pytest.mark.parametrize(
    ("behavior", "one", "both"),
    [({"enableBehavior": "all"}, False, True), ({"enableBehavior": "any"}, True, True), ({}, True, True)],
)
def test_several_conditions_count_as_the_form_says_and_otherwise_any(behavior: dict[str, str], *, one: bool, both: bool):
    resource = form(item("a"), item("b"), item("c", enableWhen=BOTH, **behavior))
    assert (errors(resource, whole(text("a", "x"), text("c", "x"))) == []) is one
    assert (errors(resource, whole(text("a", "x"), text("b", "x"), text("c", "x"))) == []) is both
    warned = [warning.code for warning in compile_form(resource).warnings]
    assert warned == ([] if behavior else ["que-12"])


def test_a_condition_looks_within_the_nearest_instance_that_holds_both():
    resource = form(item("g", "group", item("a"), item("b", enableWhen=[when("a", "=", answerString="yes")]), repeats=True))
    rows = [group("g", text("a", "yes"), text("b", "x")), group("g", text("a", "no"), text("b", "x"))]
    assert errors(resource, whole(*rows)) == [("disabled", "/item/1/item/1")]


def test_from_outside_any_row_counts():
    resource = form(item("g", "group", item("a"), repeats=True), item("b", enableWhen=[when("a", "=", answerString="yes")]))
    rows = [group("g", text("a", "no")), group("g", text("a", "yes"))]
    assert errors(resource, whole(*rows, text("b", "x"))) == []
    assert errors(resource, whole(rows[0], text("b", "x"))) == [("disabled", "/item/1")]


def test_from_inside_a_row_the_outside_is_seen():
    resource = form(item("a"), item("g", "group", item("b", enableWhen=[when("a", "exists", answerBoolean=True)]), repeats=True))
    assert errors(resource, whole(text("a", "x"), group("g", text("b", "x")))) == []
    assert errors(resource, whole(group("g", text("b", "x")))) == [("disabled", "/item/0/item/0")]


def test_a_condition_finds_questions_below_answers_in_their_own_answer():
    inside = item("b", enableWhen=[when("c", "=", answerString="yes")])
    resource = form(item("a", "string", item("c"), inside, repeats=True))

    def answer(said: str) -> dict[str, Any]:
        return {"valueString": "x", "item": [text("c", said), text("b", "x")]}

    response = whole({"linkId": "a", "answer": [answer("no"), answer("yes")]})
    assert errors(resource, response) == [("disabled", "/item/0/answer/0/item/1")]


def test_a_question_below_an_answer_may_depend_on_that_answer():
    resource = form(item("a", "string", item("b", required=True, enableWhen=[when("a", "=", answerString="yes")])))
    assert errors(resource, whole(text("a", "no"))) == []
    assert errors(resource, whole(text("a", "yes"))) == [("required", "/item/0/answer/0")]


def test_a_condition_may_look_at_what_comes_later():
    resource = form(item("a", enableWhen=[when("b", "exists", answerBoolean=True)]), item("b"))
    assert errors(resource, whole(text("a", "x"), text("b", "x"))) == []
    assert errors(resource, whole(text("a", "x"))) == [("disabled", "/item/0")]


def test_a_compared_answer_is_taken_as_meant():
    resource = form(item("a", "date"), item("b", enableWhen=[when("a", "=", answerInteger="2022-09")]))
    assert errors(resource, whole({"linkId": "a", "answer": [{"valueDate": "2022-09"}]}, text("b", "x"))) == []


def test_issues_come_in_the_order_of_the_form():
    resource = form(
        item("a", required=True), item("g", "group", item("b", "integer"), item("c", required=True)), item("d", "date")
    )
    response = whole(group("g", text("b", "x")), text("d", "x"))
    assert [issue.link_id for issue in issues(resource, response)] == ["a", "b", "c", "d"]


def test_the_response_is_left_as_it_was():
    resource = form(item("g", "group", item("a", "integer", repeats=True)))
    response = whole(group("g", {"linkId": "a", "answer": [{"valueInteger": 1}, {"valueString": "x"}]}))
    before = repr(response)
    issues(resource, response)
    assert repr(response) == before
