"""Real forms, filled in validly in every way Hypothesis thinks of, are accepted; with one fault that fault is named, no other."""

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.validation import Form, Issue, Severity, check, compile_form
from tests.support.answers import Form as Named
from tests.support.answers import filled
from tests.support.faults import every_fault
from tests.support.forms import REAL_FORMS, real_form

SLOW = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@lru_cache
def resource_of(name: str) -> dict[str, Any]:
    return Named(real_form(name))


@lru_cache
def compiled(name: str) -> Form:
    return compile_form(resource_of(name))


def errors(issues: list[Issue]) -> list[tuple[str, str]]:
    return [(issue.code, issue.pointer) for issue in issues if issue.severity is Severity.ERROR]


@pytest.mark.parametrize("name", REAL_FORMS)
def test_a_real_form_compiles(name: str):
    form = compiled(name)
    assert not [warning for warning in form.warnings if warning.code == "expression"]


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_valid_answers_to_a_real_form_are_accepted_at_submit(name: str, data: st.DataObject):
    drawn = data.draw(filled(resource_of(name)))
    assert errors(check(compiled(name), drawn.response(), strict=True)) == []


INCOMPLETE = {"required", "min-occurs", "group-empty", "constraint"}


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_one_fault_in_answers_to_a_real_form_is_named_and_no_other(name: str, data: st.DataObject):
    for wrong in data.draw(every_fault(resource_of(name))):
        assert errors(check(compiled(name), wrong.response, strict=True)) == [(wrong.code, wrong.pointer)]
        # Until it is submitted, what is missing is a warning; the rest stays an error.
        issues = check(compiled(name), wrong.response, strict=False)
        assert errors(issues) == ([] if wrong.code in INCOMPLETE else [(wrong.code, wrong.pointer)])
        assert (wrong.code, wrong.pointer) in {(issue.code, issue.pointer) for issue in issues}
