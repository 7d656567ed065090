"""The routes about the door itself: the document, a page to read it on, and what each problem means."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from keepwell.kernel.http.call import Answer, Call, Fixed
from keepwell.kernel.http.endpoint import Endpoint, Example
from keepwell.kernel.http.errors import PROBLEMS
from keepwell.kernel.http.openapi import document
from keepwell.kernel.http.reader import Reader
from keepwell.kernel.http.safety import PAGE, PUBLIC
from keepwell.kernel.problems import NOT_FOUND, SHARED, ProblemType, Refusal, Refused

Handler = Callable[[Call], Awaitable[Answer]]


class ProblemPage(msgspec.Struct, frozen=True):
    """What a problem type means, and what to do about it."""

    type: str
    code: str
    status: int
    title: str
    advice: str


class ProblemPages(msgspec.Struct, frozen=True):
    """Every problem type of this server, by code."""

    items: list[ProblemPage]


def _page_of(kind: ProblemType) -> ProblemPage:
    return ProblemPage(f"/problems/{kind.code}", kind.code, kind.status, kind.title, kind.advice)


_EXAMPLE = _page_of(NOT_FOUND)
_TAG = "About this server"


class Pages:
    """Serves what is known about `endpoints`, itself included. `tags` say what the operations of a tag have in common."""

    def __init__(
        self, endpoints: Iterable[Endpoint], problems: Sequence[ProblemType], version: str, tags: Mapping[str, str] = {}
    ) -> None:
        kinds = {kind.code: kind for kind in (*SHARED, *PROBLEMS, *problems)}
        pages = [_page_of(kind) for _, kind in sorted(kinds.items())]
        self._problems = {each.code: Fixed(msgspec.json.encode(each)) for each in pages}
        self._all_problems = Fixed(msgspec.json.encode(ProblemPages(pages)))
        self._version = version
        self._tags = {_TAG: "What this server is, does, and says when it refuses.", **tags}
        self.endpoints = (*endpoints, *self._own())

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        return document(self.endpoints, self._version, self._tags)

    @cached_property
    def _document_json(self) -> Fixed:
        return Fixed(msgspec.json.encode(self.document))

    @cached_property
    def _page(self) -> Fixed:
        return Fixed(Reader(self.document).page().encode())

    def _own(self) -> tuple[Endpoint, ...]:
        def shown(
            path: str, handler: Handler, summary: str, kind: Any, example: Any, media: str = "application/json"
        ) -> Endpoint:
            return Endpoint(
                "GET",
                path,
                handler,
                summary,
                _TAG,
                answers={200: kind},
                public=True,
                etag=True,
                compressed=True,
                media=media,
                example=Example(answer=example),
            )

        return (
            Endpoint("GET", "/", _start, "Where to begin: leads to /docs", _TAG, answers={307: None}, public=True),
            shown("/openapi.json", self._openapi, "This document", dict[str, Any], {"openapi": "3.1.0", "paths": {}}),
            shown("/docs", self._docs, "This document, to read", bytes, "<!doctype html>...", _HTML),
            shown("/problems", self._list, "Every problem type", ProblemPages, ProblemPages([_EXAMPLE])),
            shown("/problems/{code}", self._one, "One problem type", ProblemPage, _EXAMPLE),
        )

    async def _openapi(self, _: Call) -> Answer:
        return _shown(self._document_json)

    async def _docs(self, _: Call) -> Answer:
        answer = _shown(self._page, _HTML)
        answer.headers |= {**PAGE, "content-security-policy": _POLICY}
        return answer

    async def _list(self, _: Call) -> Answer:
        return _shown(self._all_problems)

    async def _one(self, call: Call) -> Answer:
        found = self._problems.get(call.path["code"])
        if found is None:
            raise Refused(Refusal(NOT_FOUND, "There is no problem type of this code; see /problems."))
        return _shown(found)


_HTML = "text/html; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def _shown(body: Fixed, content_type: str = "application/json") -> Answer:
    return Answer(body=body, headers={**PUBLIC, "etag": body.tag}, content_type=content_type)


async def _start(_: Call) -> Answer:
    return Answer(307, None, {**PUBLIC, "location": "/docs"})
