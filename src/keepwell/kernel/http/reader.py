"""The OpenAPI document as a page to read: self-contained, without scripts, loading nothing from anywhere."""

from html import escape
from typing import Any

import msgspec

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de } h3 { font-size: 1rem; margin: 1rem 0 .25rem }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { background: #f6f8fa; border-radius: 6px; padding: .5rem .75rem; overflow-x: auto; max-height: 24rem }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem } summary { cursor: pointer }
b { display: inline-block; min-width: 4.5rem } table { border-collapse: collapse }
td { padding: .15rem 1rem .15rem 0; vertical-align: top } td:first-child { white-space: nowrap } a { color: #0550ae }
"""


class Reader:
    """Writes one document as HTML. Whatever stands in it is escaped."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def page(self) -> str:
        """The whole page: operations by tag, then the shapes and the problems they name."""
        info, components = self._document["info"], self._document["components"]
        title = escape(f"{info['title']} {info['version']}")
        shapes = "".join(_folded(name, schema, f"shape-{name}") for name, schema in components["schemas"].items())
        problems = "".join(
            _folded(code, example["value"], f"problem-{code}", escape(example["summary"]))
            for code, example in sorted(components["examples"].items())
            if "summary" in example
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
            f"<h1>{title}</h1><p>{escape(info['description'])}</p>"
            f'<p><a href="/openapi.json">OpenAPI 3.1</a> · <a href="/problems">Problems</a></p>'
            f"{''.join(self._tag(tag) for tag in self._document['tags'])}"
            f"<h2>Shapes</h2>{shapes}<h2>Problems</h2>{problems}</html>"
        )

    def _tag(self, tag: dict[str, str]) -> str:
        operations = "".join(
            self._operation(method, path, operation)
            for path, methods in self._document["paths"].items()
            for method, operation in methods.items()
            if operation["tags"][0] == tag["name"]
        )
        return f"<h2>{escape(tag['name'])}</h2><p>{escape(tag.get('description', ''))}</p>{operations}"

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> str:
        lock = "" if "security" in operation else " (token)"
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code><td>{one['in']}{', required' if one.get('required') else ''}"
            f"<td>{escape(one.get('description', ''))}"
            for one in operation["parameters"]
        )
        body, responses = operation.get("requestBody"), operation["responses"].items()
        asked = "" if body is None else f"<h3>Body</h3>{self._content(body['content'])}"
        return (
            f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}{lock}"
            f"</summary><table>{rows}</table>{asked}"
            f"{''.join(self._response(status, self._resolved(each)) for status, each in responses)}</details>"
        )

    def _response(self, status: str, response: dict[str, Any]) -> str:
        if int(status) < 400:
            return f"<h3>{status} {escape(response['description'])}</h3>{self._content(response.get('content', {}))}"
        [content] = response["content"].values()
        codes = content.get("examples", {})
        links = ", ".join(f'<a href="#problem-{escape(code)}">{escape(code)}</a>' for code in codes)
        return f"<div><b>{status}</b> {links or escape(response['description'])}</div>"

    def _content(self, content: dict[str, Any]) -> str:
        return "".join(
            f"<div>{escape(media)}{_shape(each['schema'])}</div>"
            f"{''.join(_shown(self._resolved(example)['value']) for example in each.get('examples', {}).values())}"
            for media, each in content.items()
        )

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """What a reference refers to; anything else is itself."""
        if "$ref" not in part:
            return part
        place: Any = self._document
        for step in part["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        return place


def _folded(name: str, value: Any, anchor: str, words: str = "") -> str:
    """Something to unfold. The anchor stands inside: a browser that follows a link to it unfolds it by itself."""
    return (
        f"<details><summary><code>{escape(name)}</code> {words}</summary>"
        f'<pre id="{escape(anchor)}">{_pretty(value)}</pre></details>'
    )


def _shape(schema: dict[str, Any]) -> str:
    if "$ref" not in schema:
        return ""
    name = escape(schema["$ref"].rsplit("/", 1)[-1])
    return f': <a href="#shape-{name}"><code>{name}</code></a>'


def _shown(value: Any) -> str:
    return f"<pre>{escape(value) if isinstance(value, str) else _pretty(value)}</pre>"


def _pretty(value: Any) -> str:
    return escape(msgspec.json.format(msgspec.json.encode(value)).decode())
