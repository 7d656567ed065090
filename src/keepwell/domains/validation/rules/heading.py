"""Checks what a response says of itself: its properties, its status, when it was authored."""

from collections.abc import Mapping
from typing import Any

from keepwell.domains.validation.models import Finding, Form
from keepwell.domains.validation.rules import findings as say
from keepwell.domains.validation.rules.frames import Frame
from keepwell.domains.validation.rules.report import Report
from keepwell.domains.validation.rules.values import Check, is_code, is_date_time, is_element, is_elements, is_text, is_uri
from keepwell.kit.fhir.temporal import compare, moment

_STATUSES = frozenset(("in-progress", "completed", "amended", "entered-in-error", "stopped"))
_STATUS = Finding("status", "The status of this response is none that FHIR knows.", "code-invalid")


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and value != []


_PROPERTIES: dict[str, Check] = {
    "resourceType": lambda value: value == "QuestionnaireResponse",
    "status": lambda value: isinstance(value, str) and value in _STATUSES,
    "id": is_text,
    "implicitRules": is_uri,
    "language": is_code,
    "questionnaire": is_uri,
    "authored": is_date_time,
    **dict.fromkeys(("meta", "text", "identifier", "subject", "encounter", "author", "source"), is_element),
    **dict.fromkeys(("contained", "extension", "modifierExtension", "basedOn", "partOf"), is_elements),
    "item": _is_list,
}
_REQUIRED = ("resourceType", "status")


def check_heading(form: Form, response: Mapping[str, Any], top: Frame, report: Report) -> None:
    """Reports properties that FHIR does not know or whose values it does not allow, and answers outside the form's time."""
    for name, value in response.items():
        check = _PROPERTIES.get(name)
        if check is None:
            if name[:1] != "_" or name[1:] not in _PROPERTIES or not is_element(value):
                report.add(say.UNKNOWN_PROPERTY, top, (), None)
        elif not check(value):
            report.add(_STATUS if name == "status" else say.MALFORMED, top, (name,), None)
    for name in _REQUIRED:
        if name not in response:
            report.add(Finding("structure", f"A response must have {name}.", "required"), top, (), None)
    if form.period is not None and isinstance(response.get("authored"), str):
        authored = moment(response["authored"])
        start, end = (None if one is None else moment(one) for one in (form.period.start, form.period.end))
        early = authored is not None and start is not None and compare(authored, start).sign < 0
        late = authored is not None and end is not None and compare(authored, end).sign > 0
        if early or late:
            report.add(say.OUTSIDE_PERIOD, top, ("authored",), None)
