"""The published cases: our verdict is the one both engines share, with each error of the same kind at the same place."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from keepwell.domains.validation import Issue, Severity, check, compile_form
from tests.support.verdicts import Case, cases, required_case, standard_sets_or_skip

ALL = {case.name: case for case in cases()}
FORMLESS = "questionnaire-not-resolved-qr"
OURS = {
    "choice-invalid-value-set-async-qr": True,
    "quantity-qr": True,
    "invariant-corrupted-expression-qr": True,
    "invariant-undefined-variable-qr": True,
}
"""Where the engines differ or said nothing: our verdict, each with its reason in docs/validation.md."""
ELSEWHERE = {
    # The engine names the parent; the item itself tells more.
    ("group-with-string-invalid-nesting-link-id-qr", "QuestionnaireResponse"): "QuestionnaireResponse.item[0]",
}
ONCE = {
    # The engine says twice that one name is wrong: at the name, and at the answer.
    ("choice-gender-coding-async-qr", "QuestionnaireResponse.item[0].answer[1].value.ofType(Coding).display"),
}
NEEDS_STANDARD_SETS = {"choice-gender-coding-async-qr", "string-with-coding-async-qr"}

pytestmark = pytest.mark.skipif(not ALL, reason="the published cases are not beside this checkout")


def found(form: dict[str, Any], response: dict[str, Any]) -> list[Issue]:
    return check(compile_form(form), response, strict=True)


def errors(issues: list[Issue]) -> list[Issue]:
    return [issue for issue in issues if issue.severity is Severity.ERROR]


def with_sets(name: str):
    if name in NEEDS_STANDARD_SETS:
        standard_sets_or_skip()


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.agreed is not None])
def test_where_both_engines_agree_so_do_we(name: str):
    with_sets(name)
    case = required_case(name)
    issues = found(case.form(), case.answered())
    assert (errors(issues) == []) is case.agreed, issues


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.agreed is False])
def test_every_error_has_the_kind_and_place_the_reference_engine_gives_it(name: str):
    with_sets(name)
    case = required_case(name)
    assert case.hl7_java is not None
    ours = sorted((issue.kind, issue.expression) for issue in errors(found(case.form(), case.answered())))
    theirs = [said for said in case.hl7_java.errors if (name, said.at) not in ONCE]
    assert ours == sorted((said.code, ELSEWHERE.get((name, said.at), said.at)) for said in theirs)


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.agreed is True])
def test_warnings_of_accepted_cases_are_those_of_the_reference_engine(name: str):
    case = required_case(name)
    assert case.hl7_java is not None
    ours = {(issue.kind, issue.expression) for issue in found(case.form(), case.answered()) if issue.severity is Severity.WARNING}
    assert ours == {(said.code, said.at) for said in case.hl7_java.issues if said.severity == "warning"}


def test_every_case_without_a_common_verdict_is_decided():
    assert {name for name, case in ALL.items() if case.agreed is None} == {*OURS, FORMLESS}


@pytest.mark.parametrize("name", OURS)
def test_cases_without_a_common_verdict_get_ours(name: str):
    case = required_case(name)
    assert (errors(found(case.form(), case.answered())) == []) is OURS[name]


Repair = Callable[[dict[str, Any]], None]
"""Changes as little as possible in a response to make it valid."""


def _answers(response: dict[str, Any]) -> list[dict[str, Any]]:
    return response["item"][0]["answer"]


def _answered_with(**value: Any) -> Repair:
    def repair(response: dict[str, Any]) -> None:
        _answers(response)[0] = value

    return repair


def _without_answer(response: dict[str, Any]) -> None:
    del response["item"][0]["answer"]


def _only_first(count: int) -> Repair:
    def repair(response: dict[str, Any]) -> None:
        del _answers(response)[count:]

    return repair


def _right_size(response: dict[str, Any]) -> None:
    _answers(response)[0]["valueAttachment"]["size"] = 500


def _small_file(response: dict[str, Any]) -> None:
    _answers(response)[0]["valueAttachment"] |= {"data": "YQAA", "size": 3}


def _right_name(response: dict[str, Any]) -> None:
    _answers(response)[1]["valueCoding"]["display"] = "String"


def _nested_as_the_form(response: dict[str, Any]) -> None:
    inner = response["item"][0]["answer"][0]["item"]
    response["item"][0] = {"linkId": "grp1", "item": [*inner, {"linkId": "q2", "answer": [{"valueString": "there too"}]}]}


def _second_question(response: dict[str, Any]) -> None:
    response["item"][0]["item"].append({"linkId": "q2", "answer": [{"valueString": "answered"}]})


def _metres(response: dict[str, Any]) -> None:
    _answers(response)[0]["valueQuantity"] = {"value": 1, "unit": "meter", "system": "http://unitsofmeasure.org", "code": "m"}


REPAIRS: dict[str, Repair] = {
    "abstract-question-type-included-qr": _without_answer,
    "attachment-inconsistent-size-qr": _right_size,
    "attachment-max-size-qr": _small_file,
    "boolean-invalid-type-qr": _answered_with(valueBoolean=False),
    "choice-answer-option-qr": _only_first(3),
    "choice-gender-coding-async-qr": _right_name,
    "date-invalid-type-qr": _answered_with(valueDate="2024-02-29"),
    "date-time-invalid-type-qr": _answered_with(valueDateTime="2024-02-29T23:59:59+14:00"),
    "decimal-invalid-type-qr": _answered_with(valueDecimal=0.5),
    "display-answer-included-qr": _without_answer,
    "group-with-string-invalid-nesting-link-id-qr": _nested_as_the_form,
    "group-with-string-qr": _second_question,
    "integer-invalid-type-qr": _answered_with(valueInteger=0),
    "open-choice-invalid-type-qr": _answered_with(valueString="http://example.org"),
    "quantity-invalid-type-qr": _answered_with(valueQuantity={"value": 1}),
    "quantity-units-invalid-qr": _metres,
    "reference-invalid-type-qr": _answered_with(valueReference={"reference": "Patient/1"}),
    "string-answer-option-qr": _only_first(2),
    "string-invalid-type-qr": _answered_with(valueString="words"),
    "string-qr": _only_first(1),
    "string-required-qr": lambda response: response["item"][0].update(answer=[{"valueString": "here"}]),
    "string-with-coding-async-qr": _only_first(1),
    "time-invalid-type-qr": _answered_with(valueTime="23:59:59"),
    "url-invalid-type-qr": _answered_with(valueUri="http://example.org"),
}


def _turned_bounds(form: dict[str, Any]) -> None:
    """These forms ask for the impossible: a least above the most. Their twins have the bounds the right way round."""
    for extension in form["item"][0]["extension"]:
        url = extension["url"]
        if "min" in url.rpartition("/")[2] or "max" in url.rpartition("/")[2]:
            extension["url"] = url.replace("min", "MAX").replace("max", "min").replace("MAX", "max")


def _turned_lengths(form: dict[str, Any]) -> None:
    form["item"][0]["maxLength"] = 20
    form["item"][0]["extension"][0]["valueInteger"] = 2


FORM_REPAIRS: dict[str, tuple[Repair, Repair]] = {
    "decimal-min-max-qr": (_turned_bounds, lambda _response: None),
    "string-min-max-length-qr": (_turned_lengths, lambda _response: None),
    "quantity-min-max-incompat-units-qr": (
        _turned_bounds,
        _answered_with(valueQuantity={"value": 10_000, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"}),
    ),
}


def test_every_refused_case_has_a_repaired_twin():
    refused = {name for name, case in ALL.items() if case.agreed is False}
    assert refused == {*REPAIRS, *FORM_REPAIRS}


@pytest.mark.parametrize("name", [*REPAIRS, *FORM_REPAIRS])
def test_the_repaired_twin_of_a_refused_case_is_accepted(name: str):
    with_sets(name)
    case: Case = required_case(name)
    form, response = deepcopy(case.form()), deepcopy(case.answered())
    if name in FORM_REPAIRS:
        FORM_REPAIRS[name][0](form)
    mend = FORM_REPAIRS[name][1] if name in FORM_REPAIRS else REPAIRS[name]
    mend(response)
    assert errors(found(form, response)) == []
