"""Everything there is to say of a resource sent as a Questionnaire: whether it obeys R4, and whether it can be used."""

from collections.abc import Mapping
from typing import Any

from keepwell.domains import validation
from keepwell.domains.questionnaires.models import Verdict
from keepwell.domains.questionnaires.rules import invariants


def verdict(resource: Mapping[str, Any]) -> Verdict:
    """What is wrong with the resource and what is doubtful. What obeys R4 must compile too: within limits, patterns that end."""
    found = invariants.verdict(resource)
    if found.faults:
        return found
    try:
        form = validation.compile_form(resource)
    except validation.FormRefused as refused:
        return Verdict(refused.faults, found.warnings)
    warnings = {(one.pointer, one.code): one for one in (*form.warnings, *found.warnings)}
    return Verdict((), tuple(warnings.values()))
