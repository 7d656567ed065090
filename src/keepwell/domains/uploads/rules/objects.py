"""JSON objects as rows: by the names of their members, or, for a FHIR Patient, by what its elements say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from keepwell.domains.uploads.models import RawRow, RowFault
from keepwell.domains.uploads.rules.columns import Columns, doubled
from keepwell.kernel import Fault

_TIME_ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
_SHAPES = 100
_NESTED = Fault("", "nested-value", "A member is an object or a list. Use texts, numbers, true, false or null.")


class Objects:
    """Makes rows of objects. What names mean is worked out once for each shape."""

    def __init__(self, columns: Columns, most: int) -> None:
        self._columns = columns
        self._most = most
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def row(self, found: Any, number: int, line: int | None = None) -> RawRow | RowFault | None:
        """The row that an object is; None for one that says nothing, which is not counted."""
        if not isinstance(found, dict):
            return RowFault(number, (Fault("", "not-an-object", "A row has to be a JSON object."),), line)
        members = cast("dict[str, Any]", found)
        if members.get("resourceType") == "Patient":
            return RawRow(number, patient(members), line)
        said = {name: value for name, value in members.items() if value not in (None, "")}
        if not said:
            return None
        targets = self._targets(tuple(said))
        if isinstance(targets, Fault):
            return RowFault(number, (targets,), line)
        if any(isinstance(value, dict | list) for value in said.values()):
            return RowFault(number, (_NESTED,), line)
        return RawRow(number, dict(zip(targets, map(text, said.values()), strict=True)), line)

    def _targets(self, names: tuple[str, ...]) -> tuple[str, ...] | Fault:
        known = self._shapes.get(names)
        if known is not None:
            return known
        if len(names) > self._most:
            return Fault("", "too-many-values", f"At most {self._most} members are read.")
        targets = self._columns.targets(names)
        if not all(targets) or any(True for _ in doubled(targets)):
            return Fault("", "duplicate-column", "Two members mean the same, or one has no name.")
        if len(self._shapes) < _SHAPES:
            self._shapes[names] = targets
        return targets


def text(value: Any) -> str:
    """A JSON scalar as it would stand in a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def patient(resource: Mapping[str, Any]) -> dict[str, str]:
    """What a FHIR Patient says: its first current identifier, or else its id; its official or first current name; and so on."""
    identifiers = [value for one in _current(resource, "identifier") if (value := _text(one, "value"))]
    names = _current(resource, "name")
    name = next((one for one in names if one.get("use") == "official"), names[0] if names else {})
    given = name.get("given")
    zones = [one.get("valueCode") for one in _list(resource, "extension") if one.get("url") == _TIME_ZONE]
    said = {
        "external_id": identifiers[0] if identifiers else _text(resource, "id"),
        "given_name": " ".join(part for part in _texts(given) if part),
        "family_name": _text(name, "family"),
        "birth_date": _text(resource, "birthDate"),
        "email": next(_telecom(resource, "email"), ""),
        "phone": next(_telecom(resource, "phone"), ""),
        "time_zone": next(_texts(zones), ""),
        "gender": _text(resource, "gender"),
    }
    return {field: value for field, value in said.items() if value}


def _telecom(resource: Mapping[str, Any], system: str) -> Iterator[str]:
    found = (_text(one, "value") for one in _current(resource, "telecom") if one.get("system") == system)
    return (value for value in found if value)


def _current(resource: Mapping[str, Any], name: str) -> Sequence[dict[str, Any]]:
    return [one for one in _list(resource, name) if one.get("use") != "old"]


def _list(resource: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = resource.get(name)
    members = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", one) for one in members if isinstance(one, dict)]


def _text(element: Mapping[str, Any], name: str) -> str:
    found = element.get(name)
    return found if isinstance(found, str) else ""


def _texts(found: Any) -> Iterator[str]:
    members = cast("list[Any]", found) if isinstance(found, list) else []
    return (one for one in members if isinstance(one, str))
