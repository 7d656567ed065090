"""Saying that an operation will go: since when it should not be used, until when it will be there, what to use instead."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec

LEAST_NOTICE = timedelta(days=183)
"""Between `since` and `sunset` lie at least six months."""


class Deprecation(msgspec.Struct, frozen=True):
    """`since` and `sunset` are aware UTC instants; `guide` is a page about the way out, `successor` what replaces it, both paths.

    Raises:
        ValueError: the notice is shorter than `LEAST_NOTICE`.
    """

    since: datetime
    sunset: datetime
    guide: str
    successor: str

    def __post_init__(self) -> None:
        if self.sunset - self.since < LEAST_NOTICE:
            raise ValueError("between Deprecation and Sunset lie at least six months")

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` (RFC 8288)."""
        links = f'<{self.guide}>; rel="deprecation"; type="text/html", <{self.successor}>; rel="successor-version"'
        return (
            (b"deprecation", f"@{int(self.since.timestamp())}".encode("ascii")),
            (b"sunset", format_datetime(self.sunset.astimezone(UTC), usegmt=True).encode("ascii")),
            (b"link", links.encode("ascii")),
        )
