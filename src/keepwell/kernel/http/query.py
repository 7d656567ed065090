"""Reading query parameters into a struct: every one known, sent once, of the right type."""

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from keepwell.kernel.http.body import fault
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused

MAX_PARAMETERS = 100

PageLimit = Annotated[int, Meta(ge=1, le=1_000)]
"""Most items of one page of a list."""

USUAL_PAGE = 100
"""How many items a page has unless the caller says."""

# A plus sign that was not percent-encoded arrives as a space (application/x-www-form-urlencoded).
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")
_BELOW_MICROSECONDS = re.compile(r"(?<=\.[0-9]{6})[0-9]+")


def parse_pairs(query_string: bytes) -> tuple[tuple[str, str], ...]:
    """Names and values in the order sent, at most `MAX_PARAMETERS`.

    Raises:
        Refused: `invalid-parameter` when they are no UTF-8, too many, or hold NUL.
    """
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise Refused(Refusal(INVALID_PARAMETER, "The query string cannot be read as UTF-8 parameters.")) from None
    for name, value in pairs:
        if "\0" in value or "\0" in name:
            raise _invalid(Fault(f"?{name[:80]}".replace("\0", ""), "nul-character", "Text may not contain the character NUL"))
    return tuple(pairs)


class QueryReader:
    """Reads query strings into one struct type; without a type it takes no parameters at all."""

    def __init__(self, shape: type[Any] | None) -> None:
        self._shape = shape
        fields = msgspec.structs.fields(shape) if shape else ()
        self._names = {field.encode_name: field.name for field in fields}
        self._instants = {field.encode_name for field in fields if _is_instant(field.type)}

    def read(self, query_string: bytes) -> Any:
        """The struct for one query string, None when there is no type.

        Instants in it are aware: one without an offset is refused. Digits after the microsecond are cut off, not rounded, so
        that what happened at an instant is never counted before it.

        Raises:
            Refused: `invalid-parameter`, with a pointer such as `?limit` for each fault.
        """
        given = self._parse(query_string) if query_string else {}
        if self._shape is None:
            return None
        try:
            query = msgspec.convert(given, self._shape, strict=False)
        except msgspec.ValidationError as error:
            found = fault(str(error))
            raise _invalid(Fault("?" + found.pointer.removeprefix("/"), found.code, found.message)) from None
        for name in given:
            value = getattr(query, self._names[name])
            if value is None:  # msgspec reads the text `null` as no value at all, and a filter would silently be dropped
                raise _invalid(Fault(f"?{name}", "invalid-value", "Leave the parameter out instead"))
            # A bare number would be taken for seconds since 1970.
            if isinstance(value, datetime) and (value.tzinfo is None or given[name][4:5] != "-"):
                raise _invalid(Fault(f"?{name}", "invalid-value", "An instant needs Z or an offset from UTC"))
        return query

    def _parse(self, query_string: bytes) -> dict[str, str]:
        given: dict[str, str] = {}
        for name, value in parse_pairs(query_string):
            if name not in self._names:
                raise _invalid(Fault(f"?{name[:80]}", "unknown-parameter", "There is no such parameter here"))
            if name in given:
                raise _invalid(Fault(f"?{name}", "repeated-parameter", "Send this parameter once"))
            given[name] = _BELOW_MICROSECONDS.sub("", _LOST_PLUS.sub("+", value)) if name in self._instants else value
        return given


def _is_instant(kind: Any) -> bool:
    described = msgspec.inspect.type_info(kind)
    options = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
    return any(isinstance(option, msgspec.inspect.DateTimeType) for option in options)


def _invalid(found: Fault) -> Refused:
    return Refused(Refusal(INVALID_PARAMETER, "", (found,)))
