"""Accounts that nobody uses."""

from keepwell.domains.identity.models import ChangeUser
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope
from tests.domains.identity.conftest import ORIGIN, World
from tests.support.problems import assert_refused


async def test_accounts_nobody_uses_are_listed_and_others_are_not(world: World):
    await world.person("admin", "admin")
    for name in ("never", "once", "often", "gone"):
        await world.person(name)
    for name in ("once", "often", "gone"):
        await world.logged_in(name)
    gone = ChangeUser(world.people["gone"].id, active=False)
    await world.node.identity.users.change(Envelope(gone, operator(world.clinic.id), ORIGIN, if_match=1), gone)
    world.clock.advance(days=100)
    await world.person("fresh")
    await world.logged_in("often")
    session = await world.logged_in("admin")
    items = (await world.get("/v1/users/unused?days=90", session)).json()["items"]
    assert [(item["user"]["name"], item["last_seen_at"] is None) for item in items] == [("never", True), ("once", False)]
    assert_refused(await world.get("/v1/users/unused", await world.logged_in("often")), 403, "forbidden")
