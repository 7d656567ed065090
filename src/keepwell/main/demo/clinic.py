"""Makes the demo clinic through the command path, like any other clinic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity import Role
from keepwell.domains.programs import CreateProgram, Period
from keepwell.domains.questionnaires import CreateQuestionnaire, PublishQuestionnaire
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin, Outcome, Refused
from keepwell.kit.ids import new_id
from keepwell.main.addresses import Addresses
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings

SLUG = "demo"
PASSWORD = "keepwell-demo-pass"  # noqa: S105 - published with the product, for a clinic without real people
PEOPLE: tuple[tuple[str, str, Role], ...] = (
    ("admin@demo.test", "Ada Admin", "admin"),
    ("clinician@demo.test", "Cleo Clinician", "clinician"),
    ("patient@demo.test", "Pat Patient", "patient"),
)
LOGINS = "".join(f"  {email:<20} {PASSWORD}\n" for email, _, _ in PEOPLE)


class DemoRefusedError(Exception):
    """The database holds clinics that are not the demo's: demo accounts have a published password and do not belong there."""


def adapted(settings: Settings) -> Settings:
    """The settings of a server with the demo clinic: who tries things out sees the GraphQL schema, unless told otherwise."""
    said = "graphql_introspection" in settings.model_fields_set
    return settings if said else settings.model_copy(update={"graphql_introspection": True})


async def prepare(settings: Settings, addresses: Addresses) -> None:
    """Makes what is missing of the demo clinic.

    Raises:
        DemoRefusedError: there are other clinics. Nothing was made.
        Refused: a command was refused, or the database is out of reach.
    """
    parts = Parts(settings, addresses, ProcessKind.CLI)
    async with parts.running():
        origin = Origin("cli", str(new_id()), purpose="HSYSADMIN")
        if await parts.rooms.tenants.others_exist(SLUG, origin):
            raise DemoRefusedError("This database holds other clinics: --demo works on an empty one or on the demo's own only.")
        clinic = await parts.rooms.tenants.ensure(SLUG, "Demo Clinic", origin)
        for email, name, role in PEOPLE:
            await parts.rooms.identity.users.create_user(clinic.id, email, name, role, PASSWORD, origin)
        for resource in questionnaires():
            await _publish(parts, clinic.id, resource, origin)
        await _begin_program(parts, clinic.id, origin)


def questionnaires() -> Iterator[dict[str, Any]]:
    """The demo's FHIR R4 Questionnaires, as drafts."""
    for path in sorted(Path(__file__).parent.glob("*.json")):
        yield msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


async def _publish(parts: Parts, tenant: UUID, resource: dict[str, Any], origin: Origin) -> None:
    actor = operator(tenant)
    found = await parts.rooms.questionnaires.page(actor, origin, {"status": None, "url": resource["url"]}, None, 1)
    if not found:
        created = await _execute(parts, Envelope(CreateQuestionnaire(new_id(), resource), actor, origin))
        await _execute(parts, Envelope(PublishQuestionnaire(created.id), actor, origin))
    elif found[0].status == "draft":
        await _execute(parts, Envelope(PublishQuestionnaire(found[0].id), actor, origin))


async def _begin_program(parts: Parts, tenant: UUID, origin: Origin) -> None:
    if not await parts.rooms.programs.page(operator(tenant), origin, None, 1):
        today = parts.clock.now().date()
        period = Period(f"{today.year}-01-01", f"{today.year + 1}-12-31", "Europe/Berlin")
        await _execute(parts, Envelope(CreateProgram(new_id(), "Demo program", period), operator(tenant), origin))


async def _execute(parts: Parts, envelope: Envelope) -> Outcome:
    [outcome] = await parts.kernel.execute([envelope])
    if outcome.refusal is not None:
        raise Refused(outcome.refusal)
    return outcome
