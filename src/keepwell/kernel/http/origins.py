"""Which web pages of other origins may call (CORS, as the Fetch standard has it): those an operator names, and no other.

An origin is compared as a whole, byte by byte, as browsers write it. Answers never allow credentials: a page that may call
sends a token that it was given, and the cookies of this server stay this server's own (`cookies`).
"""

from collections.abc import Iterable, Mapping

ASKED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Keepwell-Position",
    "X-Request-ID",
    "traceparent",
    "tracestate",
)
"""Headers that a page may send to any operation."""

TOLD = (
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Sunset",
    "X-Keepwell-Position",
    "X-Request-ID",
)
"""Headers of answers that a page may see."""

_REMEMBERED_SECONDS = 600
_VARY = ((b"vary", b"Origin"),)

Headers = tuple[tuple[bytes, bytes], ...]


class Origins:
    """The origins that may call. Every answer says that it depends on the caller's, for whoever keeps answers."""

    def __init__(self, allowed: Iterable[str]) -> None:
        told = (b"access-control-expose-headers", ", ".join(TOLD).encode("ascii"))
        self._headers: dict[bytes, Headers] = {
            origin: ((b"access-control-allow-origin", origin), told, *_VARY)
            for origin in (each.encode("ascii") for each in allowed)
        }

    def allows(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request comes from a page that may call."""
        return headers.get(b"origin") in self._headers

    def answer(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What any answer to a request with these headers carries."""
        return self._headers.get(headers.get(b"origin", b""), _VARY)


def preflight(methods: Iterable[str], asked: Iterable[str]) -> Mapping[str, str]:
    """What a browser is told that asks whether it may: of one path, with the further headers its operations read."""
    return {
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": ", ".join(sorted({*ASKED, *asked}, key=str.lower)),
        "access-control-max-age": str(_REMEMBERED_SECONDS),
    }
