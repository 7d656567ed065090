"""Answers that fit the items of a FHIR R4 Questionnaire, as the contract writes them: scalars, or FHIR objects."""

from collections.abc import Iterator, Mapping
from typing import Any

SCALARS: Mapping[str, tuple[Any, Any]] = {
    "boolean": (True, False),
    "integer": (7, -3),
    "decimal": (1.75, 62.5),
    "date": ("1980-02-29", "1999-12"),
    "dateTime": ("2024-02-29T23:59:59Z", "2024-03-31T02:30:00+02:00"),
    "time": ("00:00:00", "23:59:59"),
    "string": ("one line", "Zażółć gęślą jaźń 測試 🙂"),
    "text": ("two\nlines", 'quotes " and \\ slashes'),
    "url": ("https://clinic.test/a?b=c#d", "urn:oid:1.2.3"),
}
OBJECTS: Mapping[str, tuple[Any, Any]] = {
    "reference": ({"reference": "Patient/1", "display": "Somebody"}, {"reference": "Practitioner/2"}),
    "attachment": (
        {"contentType": "text/plain", "data": "aGVsbG8=", "title": "note"},
        {"contentType": "image/png", "url": "https://clinic.test/x.png"},
    ),
    "quantity": (
        {"value": 71.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        {"value": 158, "unit": "lbs"},
    ),
}
_ENCOUNTER = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_LISTED: Mapping[str, tuple[Any, Any]] = {  # a value set of R4 itself, from which not any code will do
    "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode": (
        {"system": _ENCOUNTER, "code": "AMB", "display": "ambulatory"},
        {"system": _ENCOUNTER, "code": "IMP", "display": "inpatient encounter"},
    ),
}
_CODING = ({"system": "urn:x", "code": "a", "display": "A"}, {"system": "urn:x", "code": "b"})


def answer_for(item: Mapping[str, Any], turn: int) -> Any:
    """An answer that fits; another one on the next `turn`."""
    options = item.get("answerOption")
    if options:
        option = options[turn % len(options)]
        return next(value for name, value in option.items() if name.startswith("value"))
    units = [each["valueCoding"] for each in item.get("extension", ()) if each["url"].endswith("/questionnaire-unitOption")]
    if units:
        unit = units[turn % len(units)]
        return {"value": 71.5, "unit": unit["display"], "system": unit["system"], "code": unit["code"]}
    kind = item["type"]
    pair = SCALARS.get(kind) or OBJECTS.get(kind) or _LISTED.get(item.get("answerValueSet", "")) or _CODING
    return pair[turn % 2]


def questions(items: list[dict[str, Any]], *, conditional: bool = False) -> Iterator[dict[str, Any]]:
    """The items outside repeating groups that take one answer; those behind `enableWhen` only when asked for."""
    for item in items:
        if (item.get("repeats") and item["type"] == "group") or (item.get("enableWhen") and not conditional):
            continue
        if item["type"] not in ("group", "display") and not item.get("readOnly"):
            yield item
        yield from questions(item.get("item", []), conditional=conditional)


def repeating_groups(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The outermost repeating groups."""
    for item in items:
        if item["type"] == "group" and item.get("repeats"):
            yield item
        else:
            yield from repeating_groups(item.get("item", []))
