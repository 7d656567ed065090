"""Reading a JSON body: bounded in bytes, in time and in depth, before anything is made of it."""

import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

import msgspec
from starlette.types import Receive

from keepwell.kernel.http.headers import is_json
from keepwell.kernel.problems import (
    BODY_TOO_LARGE,
    INVALID_BODY,
    MALFORMED_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    Fault,
    Refusal,
    Refused,
)

Shape = TypeVar("Shape")

MAX_DEPTH = 100
MAX_FAULTS = 100
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TO_BRACES = bytes.maketrans(b"[]", b"{}")
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MESSAGE = re.compile(r"(?s)(?P<text>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?")
_FIELD = re.compile(r"(?s)Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`")


class ClientGoneError(Exception):
    """The caller hung up before the request was whole. Nobody is left to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body, at most `limit` bytes. How long it may take is the connection's business.

    Raises:
        Refused: `body-too-large` as soon as the announced or received length passes the limit.
        ClientGoneError: the connection closed in the middle.
    """
    announced = headers.get(b"content-length")
    if announced is not None and (not announced.isdigit() or len(announced) > 18 or int(announced) > limit):
        raise _too_large(limit)
    message = await receive()
    chunk = cast("bytes", message.get("body", b""))
    if message["type"] == "http.request" and not message.get("more_body", False) and len(chunk) <= limit:
        return chunk
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)
        message = await receive()


async def stream_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> AsyncGenerator[bytes]:
    """A body as it comes in, at most `limit` bytes of it; the caller is not read faster than this is taken from.

    Raises:
        Refused: `body-too-large` as soon as the announced or received length passes the limit.
        ClientGoneError: the connection closed in the middle.
    """
    announced = headers.get(b"content-length")
    if announced is not None and (not announced.isdigit() or len(announced) > 18 or int(announced) > limit):
        raise _too_large(limit)
    taken = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = cast("bytes", message.get("body", b""))
        taken += len(chunk)
        if taken > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if chunk:
            yield chunk


def check_upload_type(headers: Mapping[bytes, bytes], accepted: Sequence[str]) -> str:
    """The content type of an upload, without its parameters.

    Raises:
        Refused: `unsupported-media-type` unless it is one of those accepted.
    """
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if media not in accepted:
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, f"Content-Type has to be one of {', '.join(accepted)}."))
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not supported on requests."))
    return media


def _too_large(limit: int) -> Refused:
    return Refused(Refusal(BODY_TOO_LARGE, f"This route takes at most {limit} bytes."))


def check_media_type(headers: Mapping[bytes, bytes]) -> None:
    """Raises:
    Refused: `unsupported-media-type` unless the body is announced as plain JSON in UTF-8.
    """
    if not is_json(headers.get(b"content-type")):
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/json, in UTF-8."))
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not supported on requests."))


def check_form_type(headers: Mapping[bytes, bytes]) -> None:
    """Raises:
    Refused: `unsupported-media-type` unless the body is announced as a form.
    """
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media != b"application/x-www-form-urlencoded":
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/x-www-form-urlencoded."))
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, "Content-Encoding is not supported on requests."))


def decode(body: bytes, decoder: msgspec.json.Decoder[Any], *, parts: bool = False) -> Any:
    """The struct a JSON body stands for.

    Every string in it is valid Unicode without NUL, every integer fits 64 bits, nesting ends at `MAX_DEPTH`. With `parts`,
    that is left to who decodes the parts kept raw.

    Raises:
        Refused: `malformed-json`, or `invalid-body` with a pointer to what is wrong.
    """
    if not body:
        raise Refused(Refusal(MALFORMED_JSON, "This route needs a JSON body."))
    if not parts:
        check_depth(body)
    try:
        if not body.isascii():
            body.decode("utf-8")  # fields kept raw are not decoded by the line below
        return decoder.decode(body) if parts else _decode(body, decoder)
    except msgspec.ValidationError as error:
        if not _is_json(body):
            raise _malformed() from None
        raise _invalid(fault(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed() from None


def converted(value: Any, kind: type[Shape]) -> Shape:
    """A JSON document already decoded as the struct it stands for.

    Raises:
        Refused: `invalid-body` with a pointer to what is wrong.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid(fault(str(error))) from None


def _decode(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    value = decoder.decode(body)
    if b"\\u0000" in body or _LONG_NUMBER.search(body):
        faults = tuple(islice(_unstorable(msgspec.json.decode(body)), MAX_FAULTS))
        if faults:
            raise _invalid(*faults)
    return value


def check_depth(body: bytes) -> None:
    """Raises:
    Refused: `malformed-json` when arrays and objects nest deeper than `MAX_DEPTH`. Linear in the size of the body.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(_TO_BRACES, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"{}", b"")  # takes the innermost level off everywhere
        if not brackets:
            return
    raise Refused(Refusal(MALFORMED_JSON, f"Brackets do not match, or nest deeper than {MAX_DEPTH} levels."))


def fault(message: str) -> Fault:
    """A msgspec validation message as a fault: its path as a JSON pointer, and no value the caller sent.

    A step through a map with free keys ends the pointer, because msgspec does not say which key.
    """
    match = _MESSAGE.fullmatch(message)
    if match is None:  # pragma: no cover - the pattern takes every text
        return Fault("", "invalid-value", "Not acceptable here")
    text, pointer = match["text"], json_pointer(match["path"] or "")
    field = _FIELD.fullmatch(text)
    if field is not None:
        pointer += "/" + _escape(field["name"])
        if field["what"] == "missing required":
            return Fault(pointer, "required", "This field is required")
        return Fault(pointer, "unknown-field", "There is no such field here")
    if text.startswith(("Invalid enum value", "Invalid value")):
        return Fault(pointer, "not-allowed", "Not one of the values allowed here")
    if text.startswith("Expected") and ", got " in text:
        return Fault(pointer, "wrong-type", text)
    return Fault(pointer, "invalid-value", text)


def json_pointer(path: str) -> str:
    """The RFC 6901 pointer for a msgspec path such as `.a[0].b`."""
    steps: list[str] = []
    for name, index in _PATH_STEP.findall(path):
        if index == "...":
            break
        steps.append("/" + _escape(name or index))
    return "".join(steps)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _is_json(body: bytes) -> bool:
    """Whether the body is JSON at all: a wrong field may stand before the place where it breaks."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _malformed() -> Refused:
    return Refused(Refusal(MALFORMED_JSON, "The body cannot be read as one JSON document in UTF-8."))


def _invalid(*faults: Fault) -> Refused:
    return Refused(Refusal(INVALID_BODY, "", faults))


def _unstorable(document: Any) -> Iterator[Fault]:
    """Where a JSON document holds what no database column or 64-bit integer takes."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        pointer, value = pending.pop()
        if isinstance(value, str):
            if "\0" in value:
                yield Fault(pointer, "nul-character", "Text may not contain the character NUL")
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                yield Fault(pointer, "number-out-of-range", "Integers have to fit into 64 bits")
        elif isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                if "\0" in key:
                    yield Fault(pointer, "nul-character", "A name in this object contains the character NUL")
                else:
                    pending.append((f"{pointer}/{_escape(key)}", inner))
        elif isinstance(value, list):
            pending.extend((f"{pointer}/{index}", inner) for index, inner in enumerate(cast("list[Any]", value)))
