"""The real forms that lie beside the checkout, and small ones made for a test."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

_FORMS = Path(__file__).parents[3] / "shared" / "data" / "questionnaires"
REAL_FORMS = (
    "4712701",
    "bit-of-everything",
    "enableWhen-test.R4",
    "phq9",
    "q-with-minOccurs-maxOccurs",
    "tables",
    "ussg-fhp",
)
"""Those that obey R4."""


def real_form(name: str) -> dict[str, Any]:
    """One of the real forms; skips the test where they are absent, but never in CI."""
    path = _FORMS / f"{name}.json"
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"the real forms are not beside this checkout: {path.parent}")
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def form(*items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """A published form with these items."""
    return {"resourceType": "Questionnaire", "status": "active", "item": list(items), **elements}


def item(link_id: str, type_: str = "string", *items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """One item; `items` stand below it."""
    inside = {"item": list(items)} if items else {}
    return {"linkId": link_id, "type": type_, **inside, **elements}
