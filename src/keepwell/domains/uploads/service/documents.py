"""Rows of one JSON document, as it streams in: the entries of a FHIR Bundle of Patients, or the objects of an array."""

from importlib import import_module
from typing import Any, cast

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Limits, Position, RawRow, RowFault
from keepwell.domains.uploads.rules.objects import Objects
from keepwell.kernel import Fault

_ijson: Any = import_module("ijson")  # it has no types
_BUNDLES = ("collection", "transaction", "batch", "searchset")
_METHODS = (None, "POST", "PUT")


class Document:
    """Reads one document. What an entry holds is in memory, and no more; an entry that does not end is refused."""

    def __init__(self, position: Position, objects: Objects, limits: Limits) -> None:
        self.position = position
        self._objects = objects
        self._limits = limits
        self._bundle = position.format.kind == "bundle"
        self._found: list[Any] = []
        self._types: list[Any] = []
        self._kinds: list[Any] = []
        self._since = 0
        wanted = ((self._found, "entry.item"), (self._types, "resourceType"), (self._kinds, "type"))
        parts = wanted if self._bundle else ((self._found, "item"),)
        self._parsers = [_ijson.items_coro(_Into(target), prefix) for target, prefix in parts]

    def rows(self, piece: bytes) -> list[RawRow | RowFault]:
        """The rows that end in a piece; the empty one ends the document.

        Raises:
            Refused: it is no JSON, no Bundle of people, or an entry is too large.
        """
        try:
            for parser in self._parsers:
                _feed(parser, piece)
        except _ijson.IncompleteJSONError:
            raise unreadable("truncated" if not piece else "invalid-json", "The document is not whole, or not JSON.") from None
        except (_ijson.JSONError, UnicodeDecodeError, ArithmeticError):
            raise unreadable("invalid-json", "The document is not JSON in UTF-8.") from None
        self._judge(whole=not piece)
        self._since = 0 if self._found else self._since + len(piece)
        if self._since > self._limits.record + self._limits.block:
            raise unreadable(
                "line-too-long", f"An entry is longer than {self._limits.record:,} bytes, or there is none for as long."
            )
        found = list(self._found)
        self._found.clear()
        return self._taken(found)

    def _judge(self, *, whole: bool) -> None:
        if not self._bundle:
            return
        if any(one != "Bundle" for one in self._types) or (whole and not self._types):
            raise unreadable("not-a-bundle", "The document is not a FHIR Bundle.")
        if any(one not in _BUNDLES for one in self._kinds) or (whole and not self._kinds):
            raise unreadable("bundle-type", f"A Bundle of people has one of the types {', '.join(_BUNDLES)}.")

    def _taken(self, found: list[Any]) -> list[RawRow | RowFault]:
        rows: list[RawRow | RowFault] = []
        number = self.position.row
        for one in found:
            row = self._entry(one, number + 1) if self._bundle else self._objects.row(one, number + 1)
            if row is not None:
                number += 1
                rows.append(row)
        self.position = Position(self.position.format, 0, number, 0)
        return rows

    def _entry(self, entry: Any, number: int) -> RawRow | RowFault | None:
        members = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        resource, request = members.get("resource"), members.get("request")
        method = cast("dict[str, Any]", request).get("method") if isinstance(request, dict) else None
        if method not in _METHODS:
            return RowFault(number, (Fault("", "entry-method", "Only entries with POST, PUT or no request are read."),))
        if not isinstance(resource, dict) or cast("dict[str, Any]", resource).get("resourceType") != "Patient":
            return RowFault(number, (Fault("", "not-a-patient", "The entry is not a Patient."),))
        return self._objects.row(resource, number)


class _Into:
    """A coroutine, to ijson: keeps what is sent."""

    def __init__(self, target: list[Any]) -> None:
        self.send = target.append

    def close(self) -> None:
        """Nothing to end."""


def _feed(parser: Any, piece: bytes) -> None:
    if piece:
        parser.send(piece)
    else:
        parser.close()
