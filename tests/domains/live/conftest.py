"""Processes with live rooms, on one database and one Valkey; who calls is simply said."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import httpx
import msgspec
import pytest

from keepwell.domains import identity, questionnaires, responses
from keepwell.domains.live import LiveService, LiveSettings
from keepwell.domains.live import routes as live_routes
from keepwell.domains.questionnaires import QuestionnaireService
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.domains.responses import ResponseService
from keepwell.domains.responses import routes as response_routes
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Refusal, Refused, seen
from keepwell.kernel.announce import Announcer
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAUTHENTICATED
from keepwell.kit.ids import new_id
from keepwell.platform.bus import Bus
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.forms import form, item
from tests.support.http_server import serving
from tests.support.waiting import eventually_async

BOTH = ("user/Questionnaire.crus", "user/QuestionnaireResponse.crus")
QUICK = LiveSettings(beat=0.2, seat=2)
"""Seats lapse, and lost messages are noticed, within moments."""


class People:
    """Who may call, with what, and until when their credentials hold. `merging`: changes are merged when nobody says anything."""

    def __init__(self, clock: ManualClock) -> None:
        self.tenant = new_id()
        self.clock = clock
        self.merging = False
        self._known: dict[str, tuple[Actor, timedelta]] = {}
        self._since = clock.now()

    def acting(self, name: str, scopes: tuple[str, ...] = BOTH, *, minutes: float = 600, **fields: Any) -> dict[str, str]:
        """Headers that speak for somebody."""
        actor = Actor(fields.pop("tenant", self.tenant), new_id(), fields.pop("role", "clinician"), scopes, **fields)
        self._known[f"Bearer {name}"] = (actor, timedelta(minutes=minutes))
        return {"authorization": f"Bearer {name}"}

    def renew(self, name: str, new_name: str, minutes: float, **changes: Any) -> None:
        """A fresh token of the same person."""
        actor, _ = self._known[f"Bearer {name}"]
        self._known[f"Bearer {new_name}"] = (msgspec.structs.replace(actor, **changes), timedelta(minutes=minutes))

    def actor(self, name: str) -> Actor:
        return self._known[f"Bearer {name}"][0]

    def authenticate(self, authorization: str) -> Actor:
        return self.present(authorization)[0]

    async def merges(self, actor: Actor) -> bool:
        seen.note(actor.tenant, "merging", on=self.merging)
        return self.merging

    def present(self, authorization: str) -> tuple[Actor, Any]:
        found = self._known.get(authorization)
        if found is None:
            raise Refused(Refusal(UNAUTHENTICATED))
        return found[0], self._since + found[1]


@dataclass
class Node:
    """One process. `http` speaks as a clinician."""

    base: str
    kernel: Kernel
    live: LiveService
    bus: Bus
    http: httpx.AsyncClient
    people: People

    async def begin(self, *items: dict[str, Any], **body: Any) -> str:
        """The id of a response just begun, to a form of these questions, or of some."""
        questions = items or tuple(item(name) for name in ("a", "b", "c"))
        made = await self.http.post("/v1/questionnaires", json=form(*questions))
        assert made.status_code == 201, made.text
        answer = await self.http.post("/v1/responses", json={"questionnaire": made.json()["id"], **body})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def patch(self, response: str, version: int, answers: dict[str, Any], **headers: str) -> httpx.Response:
        match = {"if-match": f'"{version}"', **headers}
        return await self.http.patch(f"/v1/responses/{response}", json={"answers": answers}, headers=match)

    async def version(self, response: str) -> int:
        return (await self.http.get(f"/v1/responses/{response}")).json()["version"]

    async def hears(self) -> bool:
        return self.bus.well


class MakeNode(Protocol):
    """Starts another process."""

    def __call__(self, settings: LiveSettings = ..., valkey: str | None = None, *, watched: bool = True) -> Awaitable[Node]: ...


@asynccontextmanager
async def running(
    urls: DatabaseUrls, valkey_url: str, people: People, settings: LiveSettings, *, watched: bool
) -> AsyncGenerator[Node]:
    """A process; with `watched` what looks after rooms runs too."""
    async with AsyncExitStack() as stack:
        database = Database(PoolSettings(urls.app, largest=4, wait=2.0))
        await database.open()
        stack.push_async_callback(database.close)
        cache = Valkey(ValkeySettings(valkey_url, timeout=0.5, rest=0.1))
        await cache.open()
        stack.push_async_callback(cache.close)
        bus = Bus(cache)
        catalog = Catalog((*identity.AGGREGATES, *questionnaires.AGGREGATES, *responses.AGGREGATES))
        ring = KeyRing(MASTER_KEY, people.clock)
        kernel = Kernel(database, catalog, ring, people.clock, Limits(), announcer=Announcer(catalog, bus))
        forms = QuestionnaireService(kernel)
        answers = ResponseService(kernel, forms, people.merges)
        live = LiveService(kernel, answers, cache, bus, settings)
        await bus.open()
        stack.push_async_callback(bus.close)
        if watched:
            await live.open()
        stack.push_async_callback(live.close)
        table = (
            *questionnaire_routes.endpoints(forms),
            *response_routes.endpoints(answers),
            *live_routes.endpoints(live, people.present),
        )
        door = Door(kernel, people.authenticate, table, sockets=live_routes.sockets(live, people.present))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20, trust_env=False))
        base = await stack.enter_async_context(serving(door))
        stack.callback(live.drain)
        http.base_url = httpx.URL(base)
        http.headers.update(people.acting("clinician"))
        yield Node(base, kernel, live, bus, http, people)


@pytest.fixture
def people(manual_clock: ManualClock) -> People:
    return People(manual_clock)


@pytest.fixture
async def make_node(database_urls: DatabaseUrls, valkey_url: str, people: People) -> AsyncIterator[MakeNode]:
    async with AsyncExitStack() as stack:

        async def make(settings: LiveSettings = QUICK, valkey: str | None = None, *, watched: bool = True) -> Node:
            url = valkey or valkey_url
            node = await stack.enter_async_context(running(database_urls, url, people, settings, watched=watched))
            if valkey is None:
                await eventually_async(node.hears)
            return node

        yield make


@pytest.fixture
async def node(make_node: Callable[[], Awaitable[Node]]) -> Node:
    return await make_node()
