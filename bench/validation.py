"""Checks a response of fifty answers again and again, and parses the same with `fhir.resources`: `python -m bench.validation`.

Both work on the same JSON, already decoded; the time is the processor's. The second only knows the shape of a response,
nothing of its form.
"""

import gc
import sys
from collections.abc import Callable
from statistics import median
from time import process_time_ns
from typing import Any

from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from keepwell.domains.validation import check, compile_form

AIM_US = 150.0
_ROUNDS = 15
_CODES = [{"system": "http://example.org/answers", "code": f"LA{number}", "display": f"Choice {number}"} for number in range(5)]
_LOINC = "http://loinc.org"


def form() -> dict[str, Any]:
    """Fifty questions in five groups: choices, numbers with limits, dates, texts, booleans; one in ten depends on another."""
    groups = [
        {
            "linkId": f"g{group}",
            "text": f"Part {group}",
            "type": "group",
            "item": [_question(group, number) for number in range(10)],
        }
        for group in range(5)
    ]
    return {"resourceType": "Questionnaire", "url": "http://example.org/bench", "status": "active", "item": groups}


def _question(group: int, number: int) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"type": "choice", "answerOption": [{"valueCoding": coding} for coding in _CODES]},
        {"type": "integer", "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/maxValue", "valueInteger": 200}]},
        {"type": "string", "maxLength": 80},
        {"type": "date"},
        {"type": "boolean"},
    ]
    found = {
        "linkId": f"q{group}.{number}",
        "text": f"Question {number} of part {group}",
        "code": [{"system": _LOINC, "code": f"{group}{number}-1"}],
        "required": True,
        **kinds[number % 5],
    }
    if number == 9:
        found["enableWhen"] = [{"question": f"q{group}.1", "operator": ">", "answerInteger": 10}]
    return found


def response() -> dict[str, Any]:
    """A valid answer to every question."""
    values: list[dict[str, Any]] = [
        {"valueCoding": _CODES[2]},
        {"valueInteger": 42},
        {"valueString": "An answer in a few words"},
        {"valueDate": "2026-02-28"},
        {"valueBoolean": True},
    ]
    groups = [
        {
            "linkId": f"g{group}",
            "text": f"Part {group}",
            "item": [
                {
                    "linkId": f"q{group}.{number}",
                    "text": f"Question {number} of part {group}",
                    "answer": [values[number % 5]],
                }
                for number in range(10)
            ],
        }
        for group in range(5)
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://example.org/bench",
        "status": "completed",
        "item": groups,
    }


def microseconds(work: Callable[[], object], times: int) -> list[float]:
    """What one call costs, in each of several rounds."""
    found: list[float] = []
    gc.collect()
    for _ in range(_ROUNDS):
        start = process_time_ns()
        for _ in range(times):
            work()
        found.append((process_time_ns() - start) / times / 1_000)
    return found


def main() -> int:
    """0 when the check is within its aim."""
    resource, answered = form(), response()
    compiled = compile_form(resource)
    issues = check(compiled, answered, strict=True)
    if issues:
        print("The response of the bench is not valid:", issues[0])
        return 2
    checking = microseconds(lambda: check(compiled, answered, strict=True), 200)
    parsing = microseconds(lambda: QuestionnaireResponse.model_validate(answered), 20)
    compiling = microseconds(lambda: compile_form(resource), 5)
    print(f"check, 50 answers        {median(checking):9.1f} µs   (best {min(checking):.1f}, aim {AIM_US:.0f})")
    print(f"fhir.resources, parsing  {median(parsing):9.1f} µs   (best {min(parsing):.1f})")
    print(f"ratio                    {median(parsing) / median(checking):9.1f}")
    print(f"compile the form, once   {median(compiling):9.1f} µs")
    return 0 if median(checking) <= AIM_US else 1


if __name__ == "__main__":
    sys.exit(main())
