"""What a client in a live room does with what it is told: it keeps its own copy of the response."""

from collections.abc import Mapping
from typing import Any


def applied(view: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The response, as `status`, `answers`, `rows`, `elements` and `version`, after a change told of it."""
    assert change["version"] == view["version"] + 1, "a change is made to the version before it"
    rows: dict[str, list[str]] = {address: list(ids) for address, ids in view["rows"].items()}
    before = {row for ids in rows.values() for row in ids}
    rows |= {address: list(ids) for address, ids in change.get("rows", {}).items()}
    for address, ids in change.get("rows_added", {}).items():
        rows[address] = [*rows.get(address, []), *ids]
    for address, ids in change.get("rows_removed", {}).items():
        rows[address] = [row for row in rows[address] if row not in ids]
    gone = [f"[{row}]." for row in before - {row for ids in rows.values() for row in ids}]
    answers = {**view["answers"], **change.get("answers", {})}
    elements = {**view.get("elements", {}), **change.get("elements", {})}
    told = {name: value for name, value in elements.items() if value is not None}
    return ({"elements": told} if told else {}) | {
        "version": change["version"],
        "status": change["status"],
        "answers": {address: value for address, value in answers.items() if value is not None and not inside(address, gone)},
        "rows": {address: ids for address, ids in rows.items() if ids and not inside(address, gone)},
    }


def inside(address: str, rows: list[str]) -> bool:
    """Whether an address leads into a row that is not there any more."""
    return any(row in address for row in rows)
