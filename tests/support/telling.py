"""A clinic with incidents, channels and a notifier, without the rest of the program."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx

from keepwell.domains import incidents, notifications, tenants
from keepwell.domains.incidents import IncidentService, Report
from keepwell.domains.incidents import routes as incident_routes
from keepwell.domains.incidents.models import AcknowledgeIncident, ChangeSeverity, ResolveIncident
from keepwell.domains.notifications import NotificationService, NotificationSettings, routes
from keepwell.domains.notifications.jobs import enqueue_due, handlers
from keepwell.kernel import Actor, Catalog, Envelope, Kernel, Limits, Origin, Permission, Read
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import Queue, QueueSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving
from tests.support.receiver import Receiver
from tests.support.waiting import eventually_async

ORIGIN = Origin("test", "telling")
FAST = QueueSettings(width=8, lease=10.0, poll=0.05, first_delay=0.02, longest_delay=0.1, grace=0.2)
ROOMS = (*tenants.AGGREGATES, *incidents.AGGREGATES, *notifications.AGGREGATES)


class Clinic:
    """One clinic, its administrator, and the rooms; `clock` moves by hand but for the queue's own."""

    def __init__(self, database: Database, kernel: Kernel, clock: ManualClock, settings: NotificationSettings) -> None:
        self.database = database
        self.kernel = kernel
        self.clock = clock
        self.incidents = IncidentService(kernel)
        self.service = NotificationService(kernel, self.incidents, settings)
        self.actor = Actor(new_id(), new_id(), "admin", ("user/*.cruds",))
        self.http = httpx.AsyncClient()

    async def open(self, about: str, severity: Any = "critical", tags: tuple[str, ...] = ()) -> UUID:
        report = Report(about, severity, f"Trouble with {about}", "What is known.", tags=tags)
        return (await self.incidents.tell(self.actor, ORIGIN, report))[-1].id

    async def acknowledge(self, id_: UUID) -> None:
        await self._do(AcknowledgeIncident(id_))

    async def judge(self, id_: UUID, severity: Any) -> None:
        await self._do(ChangeSeverity(id_, severity))

    async def resolve(self, id_: UUID) -> None:
        await self._do(ResolveIncident(id_))

    async def channel(self, url: str, **more: Any) -> dict[str, Any]:
        made = await self.http.post("/v1/channels", json={"kind": "webhook", "url": url, **more})
        assert made.status_code == 201, made.text
        return made.json()

    async def notifications(self, **query: Any) -> list[dict[str, Any]]:
        """All of them, the oldest first."""
        found: list[dict[str, Any]] = []
        part: dict[str, Any] = {"next": None}
        while part["next"] is not None or not found:
            wanted = {"limit": 200, **query} | ({"cursor": part["next"]} if part["next"] else {})
            part = (await self.http.get("/v1/notifications", params=wanted)).json()
            found += part["items"]
            if not part["items"]:
                break
        return found[::-1]

    async def settled(self, count: int, status: str = "sent") -> list[dict[str, Any]]:
        """Waits until so many notifications are sent."""

        async def enough() -> list[dict[str, Any]] | None:
            found = await self.notifications(status=status)
            return found if len(found) >= count else None

        found = await eventually_async(enough, 60)
        assert found is not None
        assert len(found) == count
        return found

    async def planned(self, count: int) -> None:
        """Waits until so many things that happened are to be told, or were."""

        async def enough() -> bool:
            return sum(len(each["incidents"]) for each in await self.notifications()) >= count

        await eventually_async(enough, 60)

    async def all_told(self) -> None:
        """Waits until nothing waits."""

        async def nothing_waits() -> bool:
            return not await self.notifications(status="waiting")

        await eventually_async(nothing_waits, 60)

    async def gathered(self, count: int) -> None:
        """Waits until one notification gathers so many things."""

        async def all_there() -> bool:
            return [len(each["incidents"]) for each in await self.notifications(status="waiting")] == [count]

        await eventually_async(all_there, 60)

    async def database_events(self, id_: str) -> list[str]:
        """The names of what happened to a notification, oldest first."""
        read = Read("notification", UUID(id_), self.actor, ORIGIN, Permission("Notification", "r"))
        return [entry.event.__struct_config__.tag for entry in await self.kernel.history(read)]

    async def follow(self) -> None:
        """What a notifier does with what happened: nothing is sent yet."""
        await self.service.follower.follow(self.actor.tenant, ORIGIN)

    @asynccontextmanager
    async def notifying(self) -> AsyncGenerator[None]:
        """A notifier beside the block."""
        queue = Queue(self.database, FAST)

        async def look() -> None:
            while True:
                await enqueue_due(self.service, queue, self.clock)
                await asyncio.sleep(0.1)

        looking = asyncio.create_task(look())
        working = asyncio.create_task(queue.run(handlers(self.service, queue)))
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            queue.stop()
            await working

    async def _do(self, command: Any) -> None:
        [outcome] = await self.kernel.execute([Envelope(command, self.actor, ORIGIN)])
        assert outcome.refusal is None, outcome.refusal


@asynccontextmanager
async def clinic(urls: DatabaseUrls, clock: ManualClock, settings: NotificationSettings) -> AsyncGenerator[Clinic]:
    database = Database(PoolSettings(urls.app, largest=6, wait=5.0, connect_timeout=5.0))
    await database.open()
    kernel = Kernel(database, Catalog(ROOMS), KeyRing(MASTER_KEY, clock), clock, Limits())
    made = Clinic(database, kernel, clock, settings)
    tenant = (await tenants.TenantService(kernel).create(f"c{new_id().hex}", "A clinic", ORIGIN)).id
    made.actor = Actor(tenant, new_id(), "admin", ("user/*.cruds",))
    endpoints = (*routes.endpoints(made.service), *incident_routes.endpoints(made.incidents))
    door = Door(kernel, {"Bearer admin": made.actor}.__getitem__, endpoints)
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        http.headers["authorization"] = "Bearer admin"
        made.http = http
        yield made
    made.service.close()
    await kernel.close()
    await database.close()


async def each_told(desk: Clinic, hook: Receiver, incidents: Iterable[UUID]) -> None:
    """The opening and the end of each incident, and nothing else, are recorded in one notification, which was sent, once; and the
    channel took it, once or more, the opening first.
    """
    expected = Counter((str(id_), happened) for id_ in incidents for happened in ("opened", "resolved"))
    recorded = await desk.notifications()
    assert Counter((line["incident"], line["happened"]) for each in recorded for line in each["incidents"]) == expected
    assert {each["status"] for each in recorded} <= {"sent"}
    for each in recorded:
        assert (await desk.database_events(each["id"])).count("notification-sent") == 1
    assert {told.headers["webhook-id"] for told in hook.told} == {each["id"] for each in recorded}
    assert Counter((line["id"], line["happened"]) for each in hook.told for line in each.json["data"]["incidents"]) == expected
    lines = dict.fromkeys((line["id"], line["happened"]) for each in hook.taken for line in each.json["data"]["incidents"])
    places = {line: place for place, line in enumerate(lines)}
    assert all(places[id_, "opened"] < places[id_, "resolved"] for id_, _ in expected)
