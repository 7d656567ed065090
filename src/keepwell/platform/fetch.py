"""Getting a small document from an address the operator named: bounded in time and size, and never sent on to another address."""

import asyncio
from time import monotonic
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

_CHUNK = 16_384


class FetchError(Exception):
    """It cannot be had: no answer in time, one that says no, one too large, or one that leads elsewhere."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None


_opener = build_opener(_NoRedirects)


async def fetch(url: str, *, seconds: float = 5.0, most: int = 262_144) -> bytes:
    """The body of a GET of `url`, `most` bytes at most, within `seconds`.

    Raises:
        FetchError: it cannot be had.
    """
    return await asyncio.to_thread(_fetch, url, monotonic() + seconds, most)


def _fetch(url: str, until: float, most: int) -> bytes:
    request = Request(url, headers={"Accept": "application/json", "User-Agent": "keepwell"})  # noqa: S310 - the operator's own
    body = bytearray()
    try:
        with _opener.open(request, timeout=max(0.1, until - monotonic())) as answer:
            while chunk := answer.read1(_CHUNK):
                body += chunk
                if len(body) > most or monotonic() > until:
                    raise FetchError("too large, or too slow")
    except (URLError, OSError, ValueError) as error:
        raise FetchError(type(error).__qualname__) from error
    return bytes(body)
