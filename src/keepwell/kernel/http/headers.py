"""What the door reads from request headers: each scanned once, each parsed by the letter of its standard."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from uuid_utils import uuid7

from keepwell.kernel.problems import INVALID_HEADER, Refusal, Refused

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_OPAQUE_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_VERSION_SENT = re.compile(rb'(?:W/)?"(0|[1-9][0-9]{0,17})"|(0|[1-9][0-9]{0,17})')
_ENTITY_TAG_LIST = re.compile(rb'\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:(?:W/)?"[\x21\x23-\x7e\x80-\xff]*")?\s*)*')
_AUTHORITY = re.compile(rb"[A-Za-z0-9._~:\[\]-]{1,255}")
_POSITION_COOKIE = b"keepwell_position"
_LONGEST_DATE = 64
_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")


def scan(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers of an ASGI scope by lower-case name; repeated ones joined by a comma (RFC 9110, 5.3)."""
    pairs = list(headers)
    found = dict(pairs)
    if len(found) != len(pairs):
        found.clear()
        for name, value in pairs:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's `X-Request-ID` when it is 1-128 of `[A-Za-z0-9._-]`, else a fresh UUIDv7."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return str(uuid7())  # the text alone: making an object of ours of it first costs five times as much


def instant(headers: Mapping[bytes, bytes], name: bytes) -> datetime | None:
    """The instant that a header such as `Date` names (RFC 9110, 5.6.7); None without it, or when it names none."""
    given = headers.get(name)
    if given is None or len(given) > _LONGEST_DATE:
        return None
    try:
        found = parsedate_to_datetime(given.decode("ascii"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def traceparent(headers: Mapping[bytes, bytes]) -> str:
    """The W3C trace context for this request: the caller's trace id and flags with a span id of our own, or a new trace.

    W3C Trace Context, section 3.2: version `ff`, all-zero ids, upper case and a version 00 with a tail are invalid, and
    an invalid header is treated as absent. Versions after 00 are read as far as 00 goes.
    """
    span = random.getrandbits(64) or 1
    given = headers.get(b"traceparent")
    if given is not None:
        match = _TRACEPARENT.fullmatch(given)
        if match is not None and match[1] != b"ff" and (match[1] != b"00" or match[5] is None):
            trace, parent = match[2].decode("ascii"), match[3]
            if trace.strip("0") and parent.strip(b"0"):
                return f"00-{trace}-{span:016x}-{int(match[4], 16) & 1:02x}"
    trace_id = random.getrandbits(128) or 1
    return f"00-{trace_id:032x}-{span:016x}-00"


def if_match(headers: Mapping[bytes, bytes]) -> int | None:
    """The one version `If-Match` names, strong, weak, or without the quotes that are easily forgotten; None without the header.

    Raises:
        Refused: `invalid-header` for `*`, a list, or anything that is not an entity tag of ours.
    """
    given = headers.get(b"if-match")
    if given is None:
        return None
    match = _VERSION_SENT.fullmatch(given.strip())
    if match is None:
        raise Refused(Refusal(INVALID_HEADER, 'If-Match takes one ETag, such as "3" or W/"3"; * and lists are not accepted.'))
    return int(match[1] or match[2])


def if_none_match(headers: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """Every entity tag that `If-None-Match` names, quoted, weak ones as if strong: they are compared weakly (RFC 9110, 13.1.2).

    Raises:
        Refused: `invalid-header` when it is `*` or no list of entity tags.
    """
    given = headers.get(b"if-none-match")
    if given is None:
        return ()
    if not _ENTITY_TAG_LIST.fullmatch(given):
        raise Refused(Refusal(INVALID_HEADER, 'If-None-Match takes ETags, such as "3" or W/"3"; * is not accepted.'))
    return tuple(tag.decode("latin-1") for tag in _OPAQUE_TAG.findall(given))


def positions(headers: Mapping[bytes, bytes]) -> list[str]:
    """Every token that may name a position: those of `X-Keepwell-Position`, and that of the cookie; unchecked."""
    found = [part.strip().decode("latin-1") for part in headers.get(b"x-keepwell-position", b"").split(b",")]
    return [token for token in (*found, *_cookies(headers, _POSITION_COOKIE)) if token]


def cookie(headers: Mapping[bytes, bytes], name: str) -> str | None:
    """The value of a cookie; None without it."""
    return next(_cookies(headers, name.encode("ascii")), None)


def _cookies(headers: Mapping[bytes, bytes], wanted: bytes) -> Iterator[str]:
    for pair in headers.get(b"cookie", b"").replace(b",", b";").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == wanted:
            yield value.decode("latin-1")


def authority(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The host, and port, that the caller addressed; None when there is none, or what is there cannot be one."""
    host = headers.get(b"host", b"")
    return host if _AUTHORITY.fullmatch(host) else None


def position(token: str, *, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers that hand a caller its session's position, for clients that keep headers and for those that keep cookies."""
    value = token.encode("ascii")
    cookie = (
        _POSITION_COOKIE + b"=" + value + b"; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict" + (b"; Secure" if secure else b"")
    )
    return [(b"x-keepwell-position", value), (b"set-cookie", cookie)]


def idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The `Idempotency-Key`: 1-255 visible ASCII characters; None without the header.

    Raises:
        Refused: `invalid-header` for anything else.
    """
    given = headers.get(b"idempotency-key")
    if given is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        raise Refused(Refusal(INVALID_HEADER, "Idempotency-Key takes 1 to 255 visible ASCII characters without spaces."))
    return given.decode("ascii")


def is_json(content_type: bytes | None) -> bool:
    """Whether a Content-Type says JSON in UTF-8: `application/json` or `application/*+json`, and no other charset."""
    if content_type is None:
        return False
    if content_type == b"application/json":
        return True
    media, *parameters = content_type.lower().split(b";")
    media = media.strip()
    if media != b"application/json" and not (media.startswith(b"application/") and media.endswith(b"+json")):
        return False
    for parameter in parameters:
        name, _, value = parameter.strip().partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return False
    return True
