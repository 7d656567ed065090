"""The public status page of a clinic: to read, and as feeds."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from keepwell.domains.statuspages import FRESH_SECONDS, Outage, StatusPageService
from keepwell.kernel.http import Answer, Call, Endpoint, Example, Fixed
from keepwell.kernel.http.safety import PAGE
from keepwell.kit.zones import local_time

HTML, ATOM, RSS = "text/html; charset=utf-8", "application/atom+xml; charset=utf-8", "application/rss+xml; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_GOOD, _FAIR = 0.999, 0.97
_WORDS = {
    "operational": "Operational",
    "partly-down": "Partly down",
    "down": "Down",
    "maintenance": "Under maintenance",
    "unknown": "Not known",
}
_SENTENCES = {
    "operational": "Everything works.",
    "partly-down": "Some of it does not work.",
    "down": "Nothing works.",
    "maintenance": "There is maintenance.",
    "unknown": "Nothing is known yet.",
}


class StatusPages:
    """Renders what everybody sees; what a page holds is escaped where it is put."""

    def __init__(self, service: StatusPageService) -> None:
        self._service = service
        self._templates = Environment(
            loader=PackageLoader("keepwell.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {"percent": percent, "grade": grade, "rfc3339": rfc3339, "rfc822": rfc822, "name": entry_name}

    async def page(self, call: Call) -> Answer:
        """HTML."""
        answer = await self._rendered(call, "status.html", HTML)
        answer.headers |= {**PAGE, "content-security-policy": _POLICY}
        return answer

    async def atom(self, call: Call) -> Answer:
        """Outages as an Atom feed (RFC 4287)."""
        return await self._rendered(call, "status.atom", ATOM)

    async def rss(self, call: Call) -> Answer:
        """Outages as an RSS 2.0 feed."""
        return await self._rendered(call, "status.rss", RSS)

    async def _rendered(self, call: Call, template: str, media: str) -> Answer:
        clinic, slug = call.path["clinic"], call.path["slug"]
        shown = await self._service.showing.show(clinic, slug, call.origin)
        page = shown.page
        assert page is not None  # noqa: S101 - `show` raises where there is none
        zone = page.time_zone

        def local(instant: datetime) -> str:
            return local_time(instant, zone).strftime("%Y-%m-%d %H:%M")

        values: Mapping[str, Any] = {
            "clinic": shown.clinic,
            "page": page,
            "groups": [(name, list(each)) for name, each in groupby(page.components, lambda one: one.group)],
            "words": _WORDS,
            "sentence": _SENTENCES[page.status],
            "local": local,
            "address": f"{call.base}/status/{clinic}/{slug}",
            "data": f"{call.base}/v1/status/{clinic}/{slug}",
        }
        body = Fixed(self._templates.get_template(template).render(values).encode())
        return Answer(200, body, {"cache-control": f"public, max-age={FRESH_SECONDS}", "etag": body.tag}, media)


def percent(part: float | None) -> str:
    """Such as `99.95 %`, never rounded up to all of it."""
    if part is None:
        return "-"
    return "100 %" if part >= 1 else f"{min(part * 100, 99.99):.2f} %"


def grade(part: float | None) -> str:
    """How a day is drawn."""
    if part is None:
        return "none"
    return "good" if part >= _GOOD else "fair" if part >= _FAIR else "bad"


def rfc3339(instant: datetime) -> str:
    """For Atom."""
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def rfc822(instant: datetime) -> str:
    """For RSS."""
    return format_datetime(instant)


def entry_name(outage: Outage) -> str:
    """What a feed calls an outage: the same as long as it is the same one."""
    return sha256(f"{outage.component}\0{outage.began_at.isoformat()}".encode()).hexdigest()[:32]


def endpoints(service: StatusPageService) -> tuple[Endpoint, ...]:
    """Every page."""
    pages = StatusPages(service)
    return (
        _shown("", pages.page, "Read how a clinic's services are and were", HTML, "<!doctype html>..."),
        _shown("/atom", pages.atom, "Follow a clinic's outages as an Atom feed", ATOM, "<feed>...</feed>"),
        _shown("/rss", pages.rss, "Follow a clinic's outages as an RSS feed", RSS, "<rss>...</rss>"),
    )


def _shown(tail: str, handler: Callable[[Call], Awaitable[Answer]], summary: str, media: str, example: str) -> Endpoint:
    return Endpoint(
        "GET",
        f"/status/{{clinic}}/{{slug}}{tail}",
        handler,
        summary,
        "Status pages",
        answers={200: bytes},
        public=True,
        etag=True,
        compressed=True,
        media=media,
        example=Example(answer=example),
    )
