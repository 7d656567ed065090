"""The OpenAPI document as a page to read: self-contained, without scripts, loading nothing from anywhere."""

import html
from typing import Any

import msgspec

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
