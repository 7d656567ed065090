"""The routes about the door itself: the document, a page to read it on, and what each problem means."""

import html
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import msgspec

from keepwell.kernel.http.call import Answer, Call
from keepwell.kernel.http.endpoint import Endpoint
from keepwell.kernel.http.errors import PROBLEMS
from keepwell.kernel.http.openapi import document
from keepwell.kernel.problems import NOT_FOUND, SHARED, ProblemType, Refusal, Refused


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


class Pages:
    """Serves what is known about `endpoints`, itself included."""

    def __init__(self, endpoints: Iterable[Endpoint], problems: Sequence[ProblemType], version: str) -> None:
        kinds = {kind.code: kind for kind in (*SHARED, *PROBLEMS, *problems)}
        self._problems = {
            code: ProblemPage(f"/problems/{code}", code, kind.status, kind.title, kind.advice)
            for code, kind in sorted(kinds.items())
        }
        self._version = version
        self.endpoints = (*endpoints, *self._own())

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        return document(self.endpoints, self._version)

    @cached_property
    def _document_json(self) -> bytes:
        return msgspec.json.encode(self.document)

    @cached_property
    def _page(self) -> bytes:
        return page(self.document).encode()

    def _own(self) -> tuple[Endpoint, ...]:
        about = "About this server"
        return (
            Endpoint("GET", "/", self._start, "Where to begin: leads to /docs", about, answers={307: None}, public=True),
            Endpoint("GET", "/openapi.json", self._openapi, "This document", about, answers={200: dict[str, Any]}, public=True),
            Endpoint("GET", "/docs", self._docs, "This document, to read", about, answers={200: bytes}, public=True, media=_HTML),
            Endpoint("GET", "/problems", self._list, "Every problem type", about, answers={200: ProblemPages}, public=True),
            Endpoint("GET", "/problems/{code}", self._one, "One problem type", about, answers={200: ProblemPage}, public=True),
        )

    async def _start(self, _: Call) -> Answer:
        return Answer(307, None, {"location": "/docs"})

    async def _openapi(self, _: Call) -> Answer:
        return Answer(body=self._document_json, headers=dict(_CACHED))

    async def _docs(self, _: Call) -> Answer:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
        return Answer(body=self._page, headers={**_CACHED, "content-security-policy": policy}, content_type=_HTML)

    async def _list(self, _: Call) -> Answer:
        return Answer(body=ProblemPages(list(self._problems.values())), headers=dict(_CACHED))

    async def _one(self, call: Call) -> Answer:
        found = self._problems.get(call.path["code"])
        if found is None:
            raise Refused(Refusal(NOT_FOUND, "There is no problem type of this code; see /problems."))
        return Answer(body=found, headers=dict(_CACHED))


_HTML = "text/html; charset=utf-8"
_CACHED = {"cache-control": "public, max-age=300"}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de } code { font: 14px ui-monospace, monospace }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem } summary { cursor: pointer }
b { display: inline-block; min-width: 4.5rem } table { border-collapse: collapse }
td { padding: .15rem 1rem .15rem 0; vertical-align: top }
"""


def page(openapi: dict[str, Any]) -> str:
    """The document as one self-contained HTML page that loads nothing from anywhere."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    sections = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(operations)}" for tag, operations in by_tag.items())
    title = html.escape(f"{openapi['info']['title']} {openapi['info']['version']}")
    schemas = "".join(
        f"<details><summary><code>{html.escape(name)}</code></summary><pre>{_pretty(schema)}</pre></details>"
        for name, schema in openapi["components"]["schemas"].items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{html.escape(openapi['info']['description'])}</p>"
        f'<p><a href="/openapi.json">OpenAPI 3.1</a> · <a href="/problems">Problems</a></p>'
        f"{sections}<h2>Shapes</h2>{schemas}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(one['name'])}</code><td>{one['in']}{', required' if one.get('required') else ''}"
        f"<td>{html.escape(one.get('description', ''))}"
        for one in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        [(media, content)] = operation["requestBody"]["content"].items()
        rows.append(f"<tr><td>body<td>{html.escape(media)}<td><code>{html.escape(_shape(content['schema']))}</code>")
    rows += [
        f"<tr><td>{status}<td colspan=2>{html.escape(answer['description'])}" for status, answer in operation["responses"].items()
    ]
    lock = "" if "security" in operation else " (token)"
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {html.escape(operation['summary'])}{lock}"
        f"</summary><table>{''.join(rows)}</table></details>"
    )


def _shape(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", schema.get("type", "any"))).rsplit("/", 1)[-1]


def _pretty(schema: dict[str, Any]) -> str:
    return html.escape(msgspec.json.format(msgspec.json.encode(schema)).decode())
