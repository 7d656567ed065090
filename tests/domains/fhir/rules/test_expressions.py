"""Places in a resource as FHIRPath."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.fhir.rules.expressions import expression
from keepwell.kit.fhir.fhirpath import compile_expression


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("", "Patient"),
        ("/name/0/given/1", "Patient.name[0].given[1]"),
        ("/extension/0/valueCode", "Patient.extension[0].value.ofType(code)"),
        ("/item/0/answer/0/valueCoding/system", "Patient.item[0].answer[0].value.ofType(Coding).system"),
        ("/deceasedDateTime", "Patient.deceased.ofType(dateTime)"),
        ("/answerOption/0", "Patient.answerOption[0]"),
        ("/answerValueSet", "Patient.answerValueSet"),
        ("/valueNonsense", "Patient.valueNonsense"),
        ("/_birthDate", "Patient._birthDate"),
        ("/text/div", "Patient.text.`div`"),
        ("/\u00b2", "Patient.`\u00b2`"),
        ("/a~1b c`d\\", "Patient.`a/b c\\`d\\\\`"),
        ("?_count", "http._count"),
    ],
)
def test_a_pointer_is_told_as_a_path(pointer: str, path: str):
    assert expression("Patient", pointer) == path


@given(st.lists(st.text(min_size=1, max_size=5) | st.integers(0, 9).map(str), max_size=5))
def test_whatever_the_steps_are_the_path_is_one_that_can_be_read(steps: list[str]):
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    assert compile_expression(expression("Patient", pointer)) is not None
