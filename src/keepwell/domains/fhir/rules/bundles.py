"""A batch or transaction as a list of requests, and what its answers look like. References between entries are resolved here.

Source: HL7 FHIR R4 (4.0.1), http, 3.1.0.11.
"""

import re
from collections.abc import Container, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from keepwell.domains.fhir.models import Resource
from keepwell.kernel import Fault, Refusal, Refused
from keepwell.kernel.http import parse_pairs
from keepwell.kernel.problems import INVALID_BODY, METHOD_NOT_ALLOWED, NOT_FOUND

MOST_ENTRIES = 1_000
_VERSION = re.compile(r'(?:W/)?"(0|[1-9][0-9]{0,17})"')
_KNOWN = {
    "entry": {"fullUrl", "resource", "request", "link", "id", "extension"},
    "request": {"method", "url", "ifMatch", "ifNoneExist", "ifNoneMatch", "id", "extension"},
}
_ORDER = {"POST": 0, "PUT": 1, "GET": 2}
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_OF_A_SERVER = re.compile(r"(https?://.+/)[A-Z][A-Za-z]*/[A-Za-z0-9.-]{1,64}")


class Target(NamedTuple):
    """What an address in a Bundle names: a type, one resource of it, its history or a version of it, or a search."""

    type: str
    id: str | None = None
    history: bool = False
    version: str | None = None
    pairs: tuple[tuple[str, str], ...] = ()


class Entry(NamedTuple):
    """One request of a Bundle, in its place."""

    place: int
    method: str
    url: str
    resource: Resource | None
    full_url: str | None
    if_match: int | None
    if_none_match: int | None
    if_none_exist: str | None

    @property
    def pointer(self) -> str:
        return f"/entry/{self.place}"

    @property
    def root(self) -> str:
        """The address that relative references in its resource start from; empty when its own is not one of a server."""
        match = _OF_A_SERVER.fullmatch(self.full_url or "")
        return "" if match is None else match[1]


def entries_of(bundle: Resource) -> tuple[bool, list[Entry | Refused]]:
    """Whether it is a transaction, and its requests in order; for one that cannot be read, why.

    Raises:
        Refused: `invalid-body` when this is no batch and no transaction.
    """
    faults: list[Fault] = []
    if bundle.get("resourceType") != "Bundle":
        faults.append(Fault("/resourceType", "not-allowed", "This must be Bundle."))
    if bundle.get("type") not in ("batch", "transaction"):
        faults.append(Fault("/type", "not-allowed", "This must be batch or transaction."))
    entries: Any = bundle.get("entry", [])
    if not isinstance(entries, list):
        faults.append(Fault("/entry", "structure", "This must be an array."))
    elif len(cast("list[Any]", entries)) > MOST_ENTRIES:
        faults.append(Fault("/entry", "limit", f"At most {MOST_ENTRIES} entries can be sent at once."))
    if faults:
        raise Refused(Refusal(INVALID_BODY, faults=tuple(faults)))
    return bundle["type"] == "transaction", [_entry(place, one) for place, one in enumerate(cast("list[Any]", entries))]


def in_order(entries: list[Entry]) -> list[Entry]:
    """Creations first, then updates, reads last."""
    return sorted(entries, key=lambda entry: _ORDER[entry.method])


def _entry(place: int, entry: Any) -> Entry | Refused:
    try:
        return _read(place, entry)
    except Refused as refused:
        return Refused(located(refused.refusal, f"/entry/{place}", ""))


def _read(place: int, entry: Any) -> Entry:
    request = _object(_object(entry, "entry", "").get("request"), "request", "/request")
    method, url = request.get("method"), request.get("url")
    if method in ("DELETE", "PATCH", "HEAD"):
        raise Refused(Refusal(METHOD_NOT_ALLOWED))
    if not isinstance(method, str) or method not in _ORDER:
        raise _wrong("/request/method", "not-allowed", "This must be POST, PUT or GET.")
    if not isinstance(url, str) or not url:
        raise _wrong("/request/url", "required", "A request needs the address it is for.")
    resource = entry.get("resource")
    if (method == "GET") != (resource is None) or not isinstance(resource, dict | None):
        raise _wrong("/resource", "required", "POST and PUT come with a resource, GET without.")
    full_url, condition = entry.get("fullUrl"), request.get("ifNoneExist")
    if full_url is not None and not (isinstance(full_url, str) and _ABSOLUTE.fullmatch(full_url)):
        raise _wrong("/fullUrl", "invalid-value", "Send an absolute address, such as urn:uuid: and a UUID.")
    if condition is not None and (not isinstance(condition, str) or method != "POST"):
        raise _wrong("/request/ifNoneExist", "not-allowed", "Only a creation is conditional, on a search as text.")
    if_match, if_none_match = _version(request, "ifMatch"), _version(request, "ifNoneMatch")
    return Entry(place, method, url, cast("Resource | None", resource), full_url, if_match, if_none_match, condition)


def _object(value: Any, kind: str, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(pointer, "structure", "This must be an object.")
    found = cast("dict[str, Any]", value)
    for name in found:
        if name not in _KNOWN[kind]:
            raise _wrong(f"{pointer}/{name}", "not-kept", "This is not known here, and would be lost.")
    return found


def _version(request: Mapping[str, Any], name: str) -> int | None:
    if name not in request:
        return None
    match = _VERSION.fullmatch(str(request[name]))
    if match is None:
        raise _wrong(f"/request/{name}", "invalid-value", 'Send an ETag such as W/"3".')
    return int(match[1])


def _wrong(pointer: str, code: str, message: str) -> Refused:
    return Refused(Refusal(INVALID_BODY, faults=(Fault(pointer, code, message),)))


def target(url: str, base: str) -> Target:
    """What an address names; it may be relative to the FHIR interface, or absolute below it.

    Raises:
        Refused: `not-found` when nothing is there; `invalid-parameter` when its query cannot be read.
    """
    path, mark, query = url.removeprefix(base).lstrip("/").partition("?")
    pairs = parse_pairs(query.encode("utf-8", "replace")) if mark else ()
    match path.split("/"):
        case [type_]:
            return Target(type_, pairs=pairs)
        case [type_, id_]:
            return Target(type_, id_, pairs=pairs)
        case [type_, id_, "_history"]:
            return Target(type_, id_, history=True, pairs=pairs)
        case [type_, id_, "_history", version]:
            return Target(type_, id_, version=version, pairs=pairs)
        case _:
            raise Refused(Refusal(NOT_FOUND))


def resolved(value: Any, names: Mapping[str, str], root: str) -> Any:
    """A resource in which whatever names another entry says where that is from now on; texts that people wrote stay."""
    if isinstance(value, dict):
        return {
            name: one if name in ("valueString", "div") else resolved(one, names, root)
            for name, one in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [resolved(one, names, root) for one in cast("list[Any]", value)]
    return names.get(value) or names.get(root + value, value) if isinstance(value, str) else value


def named_in(value: Any, names: Container[str], root: str) -> set[str]:
    """The names of entries that stand in a resource."""
    if isinstance(value, dict):
        return set[str]().union(*(named_in(one, names, root) for one in cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return set[str]().union(*(named_in(one, names, root) for one in cast("list[Any]", value)))
    return {name for name in (value, root + value) if name in names} if isinstance(value, str) else set()


def dangling(value: Any, pointer: str = "") -> Iterator[str]:
    """Where references lead to no entry, or to whatever meets a condition: neither can be stored."""
    if isinstance(value, dict):
        for name, one in cast("dict[str, Any]", value).items():
            if name == "reference" and isinstance(one, str) and (one.startswith("urn:uuid:") or "?" in one):
                yield f"{pointer}/{name}"
            yield from dangling(one, f"{pointer}/{name}")
    elif isinstance(value, list):
        for place, one in enumerate(cast("list[Any]", value)):
            yield from dangling(one, f"{pointer}/{place}")


def located(refusal: Refusal, entry: str, within: str = "/resource") -> Refusal:
    """A refusal of one entry as one of the whole Bundle: its faults, or itself, at the entry's place.

    `within` is what of the entry its faults lead into.
    """
    faults = tuple(
        fault
        if fault.pointer.startswith("?")
        else Fault(f"{entry}{within}{fault.pointer}", fault.code, fault.message, fault.linkId)
        for fault in refusal.faults
    )
    own = (Fault(entry, refusal.code, refusal.detail or refusal.type.title),)
    return Refusal(refusal.type, refusal.detail, faults or own, refusal.extra, refusal.retry_after)


def status_line(status: int) -> str:
    """A status as entries of a Bundle tell it."""
    return f"{status} {HTTPStatus(status).phrase}"
