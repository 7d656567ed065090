"""Every operation and command, asked for by everybody, about things of their clinic and of another: the matrix holds."""

from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from keepwell.domains.identity.rules import people
from keepwell.domains.incidents import Report
from keepwell.domains.notifications.models.channels import CreateChannel, Rules
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin
from keepwell.kit.ids import new_id
from keepwell.main.app import application
from keepwell.main.parts import Parts
from keepwell.main.rooms import catalog
from tests.main.conftest import PASSWORD
from tests.support.asking import Asker, Clinic, furnished
from tests.support.cluster import DatabaseUrls
from tests.support.matrix import NOT_ASKED, ROLES, ROWS, may
from tests.support.permissions_page import page

ORIGIN = Origin("test", "permissions")
READING = {command.name for aggregate in catalog().kinds.values() for command in aggregate.commands if command.reads}
"""Recorded as the reads that they are."""
PAGE = Path(__file__).parents[2] / "docs/permissions.md"


def test_every_operation_has_a_row_and_every_row_an_operation(parts: Parts):
    assert {f"{each.method} {each.path}" for each in application(parts).endpoints} == ROWS.keys()
    assert {f"{each.method} {each.path}" for each in application(parts).endpoints if each.public} == {
        operation for operation, row in ROWS.items() if row.public
    }


def test_every_command_has_a_row_or_a_reason():
    commands = {command.name for aggregate in catalog().kinds.values() for command in aggregate.commands}
    asked = {name for row in ROWS.values() for name in row.commands}
    assert commands == asked | NOT_ASKED.keys()
    assert not asked & NOT_ASKED.keys()


def test_the_page_says_what_the_matrix_says():
    assert PAGE.read_text() == page(), "make permissions"


async def clinic(parts: Parts, http: httpx.AsyncClient, slug: str) -> Clinic:
    """A clinic with a person of each role, and one of everything."""
    made = await parts.rooms.tenants.ensure(slug, slug.title(), ORIGIN)
    for role in ROLES:
        email, named = f"{role}@{slug}.test", role.title()
        known: Any = role
        await parts.rooms.identity.users.create_user(made.id, email, named, known, PASSWORD, ORIGIN)
    await parts.rooms.incidents.tell(operator(made.id), ORIGIN, Report("a test", "warning", "Something is wrong"))
    hook = CreateChannel(new_id(), "A channel", "webhook", "https://hooks.invalid/", Rules())
    await parts.kernel.execute([Envelope(hook, operator(made.id), ORIGIN)])
    await parts.rooms.notifications.follower.follow(made.id, ORIGIN)  # there is something to be told now
    return await furnished(http, slug)


async def asked(parts: Parts, http: httpx.AsyncClient) -> tuple[Asker, Clinic, Clinic]:
    document = (await http.get("/openapi.json")).json()
    return Asker(http, document, "demo"), await clinic(parts, http, "demo"), await clinic(parts, http, "other")


@pytest.mark.timeout(180)
async def test_the_server_keeps_to_every_cell(parts: Parts, http: httpx.AsyncClient, clean_database: DatabaseUrls):
    asker, here, there = await asked(parts, http)
    found = await asker.disagreements(here, there, ROWS)
    assert not found, "\n".join(found)
    with psycopg.connect(clean_database.superuser) as everything:
        for operation, row in ROWS.items():
            ids = asker.asked[operation]
            found = everything.execute(
                "SELECT command, tenant_id FROM journal_entry WHERE request_id = ANY(%s)"
                " UNION SELECT action, tenant_id FROM access_record WHERE request_id = ANY(%s)",
                (ids, ids),
            ).fetchall()
            assert {command for command, _ in found} >= set(row.commands) - READING, operation


WIDER = {
    "patient": ("user/QuestionnaireResponse.crus", "user/User.r", "patient/QuestionnaireResponse.crus", "user/Session.ruds"),
    "clinician": ("user/*.cruds",),
}


@pytest.mark.parametrize("role", WIDER)
@pytest.mark.timeout(180)
async def test_a_role_that_may_more_than_the_matrix_says_is_noticed(
    parts: Parts, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, role: str
):
    monkeypatch.setitem(people.SCOPES, role, (*people.SCOPES[role], *WIDER[role]))  # pyright: ignore[reportArgumentType]
    asker, here, there = await asked(parts, http)
    some = ("GET /v1/responses/{id}", "GET /v1/responses", "GET /v1/users/{id}", "POST /v1/users", "GET /v1/audit")
    found = await asker.disagreements(here, there, {operation: ROWS[operation] for operation in some})
    assert found
    assert all(f"by {role}: " in each for each in found), found


async def test_a_role_that_may_less_and_a_door_that_is_open_are_noticed(parts: Parts, http: httpx.AsyncClient):
    asker, here, there = await asked(parts, http)
    wrong = {"GET /v1/users": may("all all all"), "GET /health/live": may("all all no"), "GET /v1/auth/me": may("no no no")}
    found = await asker.disagreements(here, there, wrong)
    assert len(found) == 2 + 2 + 3, found
