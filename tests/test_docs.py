"""Documents that would mislead fail here: every route, setting, problem and process they should name, and no other."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings

ROOT = Path(__file__).parents[1]
_ROUTE = re.compile(r"\*\*(GET|POST|PUT|PATCH|DELETE) (/[^*\s]*)\*\*")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_the_api_page_names_every_route_of_the_server_and_no_other() -> None:
    named = set(_ROUTE.findall((ROOT / "docs/api.md").read_text()))
    settings: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(bytes(32)).decode()}
    nowhere = Addresses("postgresql://nowhere", "", "", "valkey://nowhere")
    door = application(Parts(Settings(**settings), nowhere, ProcessKind.API))
    assert named == {(endpoint.method, endpoint.path) for endpoint in door.endpoints}


def test_the_operations_page_describes_every_setting_and_no_other() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    described = set(re.findall(r"^\| `(KEEPWELL_[A-Z0-9_]+)` \|", text, re.MULTILINE))
    assert described == {f"KEEPWELL_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]))
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    path = ROOT / page
    missing = [link for link in _LINK.findall(path.read_text()) if not (path.parent / link.strip()).exists()]
    assert not missing


def test_the_architecture_page_has_one_line_for_each_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {path.name for path in (ROOT / "src/keepwell/domains").iterdir() if (path / "__init__.py").exists()}
    assert not [room for room in sorted(rooms) if f"        {room}/" not in text]


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md")))
def test_a_decision_record_is_short(page: str) -> None:
    assert len((ROOT / "docs/decisions" / page).read_text().split()) < 500
