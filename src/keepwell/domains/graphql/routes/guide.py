"""The page that `Link` leads to: which REST call replaces what, and until when there is time."""

import html
from collections.abc import Iterable

from keepwell.domains.graphql.models import MUTATIONS, QUERIES, SUNSET, Translation
from keepwell.kernel.http import Answer, Call, Endpoint, Example, Fixed
from keepwell.kernel.http.safety import PAGE, PUBLIC

MEDIA = "text/html; charset=utf-8"


def page() -> bytes:
    """The page, self-contained."""
    when = f"{SUNSET:%Y-%m-%d}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>From GraphQL to REST</title><h1>From GraphQL to REST</h1>'
        f"<p>The GraphQL interface is there until {when}. Each query and mutation is one REST call; arguments have the same names"
        " there, and errors the same codes. The arguments if_match and idempotency_key are the headers If-Match and"
        ' Idempotency-Key there. See <a href="/docs">all REST calls</a>.</p>'
        f"<h2>Queries</h2>{_table(QUERIES)}<h2>Mutations</h2>{_table(MUTATIONS)}</html>"
    ).encode()


def _table(translations: Iterable[Translation]) -> str:
    head = "<tr><th>GraphQL<th>REST<th>query parameters<th>fields of the body"
    return f"<table>{head}{''.join(map(_row, translations))}</table>"


def _row(each: Translation) -> str:
    body = f"{each.whole} (the body itself)" if each.whole else ", ".join(each.body)
    cells = (each.field, each.replaced_by, ", ".join(each.query), body)
    return f'<tr id="{each.field}">' + "".join(f"<td>{html.escape(cell)}" for cell in cells)


def endpoint(path: str) -> Endpoint:
    """The page's route."""
    content = Fixed(page())

    async def show(_: Call) -> Answer:
        return Answer(body=content, headers={**PUBLIC, **PAGE, "etag": content.tag}, content_type=MEDIA)

    return Endpoint(
        "GET",
        path,
        show,
        "The way from GraphQL to REST",
        "Legacy",
        answers={200: bytes},
        public=True,
        etag=True,
        compressed=True,
        media=MEDIA,
        example=Example(answer="<!doctype html>..."),
    )
