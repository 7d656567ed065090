"""The rules authors write themselves: constraints, calculated answers, variables, enabling by expression."""

from datetime import UTC, datetime
from typing import Any

import pytest

from keepwell.domains.validation import Issue, Severity, check, compile_form
from tests.support.forms import form, item

CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fhirpath(text: str, **more: Any) -> dict[str, Any]:
    return {"language": "text/fhirpath", "expression": text, **more}


def calculated(text: str) -> dict[str, Any]:
    return {"url": SDC + "calculatedExpression", "valueExpression": fhirpath(text)}


def enabled(text: str) -> dict[str, Any]:
    return {"url": SDC + "enableWhenExpression", "valueExpression": fhirpath(text)}


def variable(name: str, text: str) -> dict[str, Any]:
    return {"url": CORE + "variable", "valueExpression": fhirpath(text, name=name)}


def constraint(text: str, severity: str = "error", human: str = "Not so.") -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": "key", "valueId": "c1"},
        {"url": "severity", "valueCode": severity},
        {"url": "expression", "valueString": text},
        {"url": "human", "valueString": human},
    ]
    return {"url": CORE + "questionnaire-constraint", "extension": parts}


def target_constraint(text: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": "key", "valueId": "c1"},
        {"url": "severity", "valueCode": "error"},
        {"url": "expression", "valueExpression": fhirpath(text)},
        {"url": "human", "valueString": "Not so."},
    ]
    return {"url": CORE + "targetConstraint", "extension": parts}


def ruled(link_id: str, kind: str, *extensions: dict[str, Any], items: tuple[Any, ...] = (), **elements: Any) -> dict[str, Any]:
    return item(link_id, kind, *items, extension=list(extensions), **elements)


def number(link_id: str, *values: float) -> dict[str, Any]:
    key = "valueInteger" if all(isinstance(value, int) for value in values) else "valueDecimal"
    return {"linkId": link_id, "answer": [{key: value} for value in values]}


def group(link_id: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"linkId": link_id, "item": list(items)}


def judged(resource: dict[str, Any], *items: dict[str, Any], strict: bool = True, **given: Any) -> list[Issue]:
    response = {"resourceType": "QuestionnaireResponse", "status": "completed", **({"item": list(items)} if items else {})}
    return check(compile_form(resource), response, strict=strict, **given)


def found(issues: list[Issue]) -> list[tuple[str, str, str]]:
    return [(issue.severity.value, issue.code, issue.pointer) for issue in issues]


@pytest.mark.parametrize("rule", [constraint("answer.count() = 2"), target_constraint("answer.count() = 2")])
def test_a_constraint_is_broken_when_it_says_false(rule: dict[str, Any]):
    resource = form(ruled("a", "integer", rule, repeats=True))
    assert found(judged(resource, number("a", 1, 2))) == []
    issues = judged(resource, number("a", 1))
    assert found(issues) == [("error", "constraint", "/item/0")]
    assert issues[0].message == "Not so."


def test_a_constraint_that_says_nothing_asks_nothing():
    resource = form(
        ruled("a", "integer", constraint("%resource.item.where(linkId = 'b').answer.value > 5")), item("b", "integer")
    )
    assert found(judged(resource, number("a", 1))) == []
    assert found(judged(resource, number("a", 1), number("b", 5))) == [("error", "constraint", "/item/0")]


def test_a_constraint_that_warns_never_stands_in_the_way():
    resource = form(ruled("a", "integer", constraint("answer.value > 5", "warning")))
    assert found(judged(resource, number("a", 1))) == [("warning", "constraint", "/item/0")]


def test_until_it_is_submitted_a_broken_constraint_is_a_warning():
    resource = form(ruled("a", "integer", constraint("answer.value > 5")))
    assert found(judged(resource, number("a", 1), strict=False)) == [("warning", "constraint", "/item/0")]


def test_a_constraint_of_a_group_is_asked_of_every_row():
    rule = constraint("item.where(linkId = 'from').answer.value <= item.where(linkId = 'to').answer.value")
    resource = form(ruled("g", "group", rule, items=(item("from", "integer"), item("to", "integer")), repeats=True))
    rows = [group("g", number("from", 1), number("to", 2)), group("g", number("from", 3), number("to", 2))]
    assert found(judged(resource, *rows)) == [("error", "constraint", "/item/1")]


def test_a_constraint_of_the_form_is_asked_once():
    resource = form(item("a", "integer"), extension=[constraint("item.answer.value.sum() = 3")])
    assert found(judged(resource, number("a", 2))) == [("error", "constraint", "")]


def test_a_constraint_of_a_disabled_item_is_not_asked():
    condition = {"question": "a", "operator": "=", "answerInteger": 1}
    resource = form(item("a", "integer"), ruled("b", "group", constraint("false"), items=(item("c"),), enableWhen=[condition]))
    assert found(judged(resource, number("a", 2))) == []


def test_a_score_is_what_its_answers_add_up_to():
    total = calculated("%resource.item.where(linkId != 'total').answer.value.sum()")
    resource = form(item("a", "integer"), item("b", "integer"), ruled("total", "decimal", total, readOnly=True))
    assert found(judged(resource, number("a", 1), number("b", 2), number("total", 3.0))) == []
    assert found(judged(resource, number("a", 1), number("b", 2), number("total", 4.0))) == [("error", "calculated", "/item/2")]
    assert found(judged(resource, number("a", 1), number("b", 2), number("total", 4.0), strict=False)) == [
        ("warning", "calculated", "/item/2")
    ]
    assert found(judged(resource, number("a", 1), number("b", 2))) == []


def test_a_calculated_answer_that_a_person_may_change_is_only_doubtful():
    resource = form(item("a", "integer"), ruled("b", "integer", calculated("%resource.item.where(linkId='a').answer.value * 2")))
    assert found(judged(resource, number("a", 1), number("b", 5))) == [("warning", "calculated", "/item/1")]


def test_the_average_of_three_is_near_enough():
    resource = form(item("a", "integer", repeats=True), ruled("b", "decimal", calculated("%resource.item[0].answer.value.avg()")))
    assert found(judged(resource, number("a", 1, 1, 2), number("b", 4 / 3))) == []


def test_variables_see_what_is_around_them_and_their_own_row():
    resource = form(
        item("factor", "integer"),
        ruled(
            "g", "group",
            variable("base", "item.where(linkId = 'a').answer.value"),
            variable("product", "%base * %factor"),
            items=(item("a", "integer"), ruled("b", "integer", calculated("%product"), readOnly=True)),
            repeats=True,
        ),
        extension=[variable("factor", "item.where(linkId = 'factor').answer.value")],
    )  # fmt: skip
    rows = [group("g", number("a", 2), number("b", 6)), group("g", number("a", 5), number("b", 15))]
    assert found(judged(resource, number("factor", 3), *rows)) == []
    wrong = [rows[0], group("g", number("a", 5), number("b", 6))]
    assert found(judged(resource, number("factor", 3), *wrong)) == [("error", "calculated", "/item/2/item/1")]


def test_an_expression_enables_and_disables():
    resource = form(
        item("a", "integer"), ruled("b", "string", enabled("%resource.item.where(linkId='a').answer.value > 5"), required=True)
    )
    text = {"linkId": "b", "answer": [{"valueString": "x"}]}
    assert found(judged(resource, number("a", 9), text)) == []
    assert found(judged(resource, number("a", 9))) == [("error", "required", "")]
    assert found(judged(resource, number("a", 1), text)) == [("error", "disabled", "/item/1")]
    assert found(judged(resource, number("a", 1))) == []
    assert found(judged(resource, text)) == [("error", "disabled", "/item/0")]


def test_an_expression_in_a_row_sees_the_variables_of_the_row():
    resource = form(
        ruled(
            "g", "group", variable("own", "item.where(linkId = 'a').answer.value"),
            items=(item("a", "integer"), ruled("b", "integer", enabled("%own > 5"))), repeats=True,
        )
    )  # fmt: skip
    rows = [group("g", number("a", 9), number("b", 1)), group("g", number("a", 1), number("b", 1))]
    assert found(judged(resource, *rows)) == [("error", "disabled", "/item/1/item/1")]


def test_an_expression_overrides_conditions():
    never = [{"question": "a", "operator": "exists", "answerBoolean": False}]
    resource = form(item("a", "integer"), ruled("b", "integer", enabled("true"), enableWhen=never))
    assert found(judged(resource, number("a", 1), number("b", 1))) == []


def test_an_item_that_an_expression_disables_enables_nothing():
    condition = [{"question": "b", "operator": "exists", "answerBoolean": True}]
    resource = form(ruled("b", "integer", enabled("false")), item("c", "integer", enableWhen=condition))
    assert found(judged(resource, number("b", 1), number("c", 1))) == [
        ("error", "disabled", "/item/0"),
        ("error", "disabled", "/item/1"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("answer.count() = 3 and or", "missing"),
        ("answer.count() = 3 asdf", "complete before"),
        ("%unknown = 1", "%unknown"),
        ("memberOf('x')", "memberOf"),
        ("answer.where()", "where"),
        ("'no end", "unreadable"),
        ("((((1)", "missing"),
        ("@2026-02-30 = today()", "does not exist"),
    ],
)
def test_an_expression_that_cannot_be_run_is_told_to_its_author_and_stands_in_nobodys_way(text: str, reason: str):
    resource = form(ruled("a", "integer", constraint(text)))
    [warning] = compile_form(resource).warnings
    assert (warning.code, warning.linkId) == ("expression", "a")
    assert reason in warning.message
    assert found(judged(resource, number("a", 1))) == [("warning", "expression-failed", "/item/0")]


def test_whether_an_item_is_enabled_that_nobody_can_tell_is_left_open():
    resource = form(ruled("a", "integer", enabled("%unknown"), required=True))
    assert [(issue.severity, issue.code) for issue in judged(resource)] == [(Severity.WARNING, "expression-failed")]
    assert [(issue.severity, issue.code) for issue in judged(resource, number("a", 1))] == [
        (Severity.WARNING, "expression-failed")
    ]


def test_an_expression_that_meets_what_it_does_not_expect_is_a_warning():
    resource = form(item("a", "integer", repeats=True), ruled("b", "integer", constraint("%resource.item[0].answer.value > 1")))
    assert found(judged(resource, number("a", 1, 2), number("b", 1))) == [("warning", "expression-failed", "/item/1")]


def test_variables_in_a_circle_are_named():
    around = [variable("x", "%x + 1")]
    resource = form(ruled("a", "integer", calculated("%x")), extension=around)
    assert found(judged(resource, number("a", 1))) == [("warning", "expression-failed", "/item/0")]


def test_what_comes_from_outside_is_used_when_given_and_otherwise_nothing_is_asked():
    named = {"url": SDC + "launchContext", "extension": [{"url": "name", "valueCoding": {"code": "patient"}}]}
    resource = form(ruled("a", "date", calculated("%patient.birthDate.toDate()"), readOnly=True), extension=[named])
    answer = {"linkId": "a", "answer": [{"valueDate": "1980-05-06"}]}
    assert found(judged(resource, answer)) == []
    patient = {"resourceType": "Patient", "birthDate": "1980-05-07"}
    assert found(judged(resource, answer, launch={"patient": patient})) == [("error", "calculated", "/item/0")]


def test_the_time_is_the_one_that_was_told():
    resource = form(ruled("a", "date", constraint("answer.value <= today()")))
    tomorrow = {"linkId": "a", "answer": [{"valueDate": "2026-03-02"}]}
    assert found(judged(resource, tomorrow, now=NOW)) == [("error", "constraint", "/item/0")]
    assert found(judged(resource, {"linkId": "a", "answer": [{"valueDate": "2026-03-01"}]}, now=NOW)) == []
    assert found(judged(resource, tomorrow)) == []


def test_other_languages_are_passed_over():
    cql = {"url": SDC + "calculatedExpression", "valueExpression": {"language": "text/cql", "expression": "a"}}
    resource = form(ruled("a", "integer", cql))
    assert [warning.code for warning in compile_form(resource).warnings] == ["expression"]
    assert found(judged(resource, number("a", 1))) == []
