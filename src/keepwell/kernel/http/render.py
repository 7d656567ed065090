"""Answers and refusals as HTTP: status, headers, bytes. Every error of every route leaves through here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from starlette.types import Receive, Send

from keepwell.kernel.http.call import Answer, Fixed
from keepwell.kernel.problems import IDEMPOTENCY_KEY_IN_USE, ProblemType, Refusal

PROBLEM_JSON = "application/problem+json"
_encode = msgspec.json.Encoder().encode
_JSON_HEADER = (b"content-type", b"application/json")


def document(refusal: Refusal, instance: str, request_id: str) -> dict[str, Any]:
    """A refusal as the members of a problem document (RFC 9457)."""
    kind = refusal.type
    members: dict[str, Any] = {
        **refusal.extra,
        **refusal.disclosed,
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": refusal.detail or kind.advice,
        "instance": instance,
        "code": kind.code,
        "request_id": request_id,
    }
    if refusal.faults:
        members["errors"] = refusal.faults
    return members


def problem(refusal: Refusal, instance: str, request_id: str) -> Answer:
    """A refusal as an answer. 401 names the scheme it wants (RFC 9110, 15.5.2)."""
    kind = refusal.type
    headers: dict[str, str] = {}
    if (after := retry_after(refusal)) is not None:
        headers["retry-after"] = str(after)
    if kind.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Answer(kind.status, _encode(document(refusal, instance, request_id)), headers, PROBLEM_JSON)


def retry_after(refusal: Refusal) -> int | None:
    """After how many seconds to try again, if that may help. Statuses that mean "later" always say when."""
    if refusal.retry_after is None and not needs_retry_after(refusal.type):
        return None
    return max(1, refusal.retry_after or 1)


def needs_retry_after(kind: ProblemType) -> bool:
    """Whether a problem of this type always carries `Retry-After`."""
    return kind.status in (429, 503) or kind is IDEMPOTENCY_KEY_IN_USE


async def send_answer(answer: Answer, send: Send) -> None:
    """Writes one answer as ASGI messages."""
    body = answer.body
    if isinstance(body, AsyncIterator):
        await _send_parts(answer, body, send)
        return
    if body is None:
        content = b""
    elif isinstance(body, bytes):
        content = body
    else:
        content = body.content if isinstance(body, Fixed) else _encode(body)
    headers: list[tuple[bytes, bytes]] = []
    if body is not None:
        headers.append(_content_type(answer))
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(content)))
    headers += _own(answer)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _own(answer: Answer) -> list[tuple[bytes, bytes]]:
    own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    return own + [(b"set-cookie", value.encode("latin-1")) for value in answer.cookies]


def _content_type(answer: Answer) -> tuple[bytes, bytes]:
    json = answer.content_type == "application/json"
    return _JSON_HEADER if json else (b"content-type", answer.content_type.encode("latin-1"))


async def _send_parts(answer: Answer, parts: AsyncIterator[bytes], send: Send) -> None:
    """Writes an answer of unknown length. When making a part fails, the connection ends in the middle: the caller sees that."""
    try:
        await send_head(answer, send)
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    finally:
        await finish(parts)
    await send({"type": "http.response.body", "body": b""})


async def send_head(answer: Answer, send: Send) -> None:
    """Begins an answer of unknown length."""
    headers = [_content_type(answer), *_own(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def finish(parts: AsyncIterator[bytes]) -> None:
    """Ends what makes the parts of an answer, wherever it stands."""
    close: Callable[[], Awaitable[None]] | None = getattr(parts, "aclose", None)
    if close is not None:
        await close()


async def send_while_wanted(answer: Answer, receive: Receive, send: Send) -> None:
    """Writes an answer that has no end of its own until its caller hangs up; whatever makes its parts ends then too."""
    sending = asyncio.ensure_future(send_answer(answer, send))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def not_modified(answer: Answer, tags_known: tuple[str, ...]) -> bool:
    """Whether the caller already has this: compared weakly, as RFC 9110, 13.1.2 asks."""
    if answer.status != 200:
        return False
    return any(name.lower() == "etag" and value.removeprefix("W/") in tags_known for name, value in answer.headers.items())
