"""Mixed load over HTTP on two nodes while replicas are killed, frozen, paused and delayed: nothing stale, nothing failed."""

import asyncio
import base64
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.demo import prepare
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.forms import form, item
from tests.support.http_server import serving
from tests.support.replica import Replica, replicas
from tests.support.waiting import eventually_async

PASSWORD = "keepwell-demo-pass"
TOKEN = "x-keepwell-position"


@pytest.fixture(scope="module")
def urls() -> Iterator[DatabaseUrls]:
    """A primary that no other test writes to."""
    folder = Path(tempfile.mkdtemp(prefix="keepwell-primary-"))
    cluster = Cluster(folder / "data")
    yield cluster.clone("replicated")
    cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


class Session:
    """One clinician's browser (cookies) or program (headers), on whichever node answers; it notes what it was shown."""

    def __init__(self, nodes: list[str], bearers: dict[str, str], form_id: str, *, cookies: bool) -> None:
        self._nodes = nodes
        self._form = form_id
        self._cookies = cookies
        self._token = ""
        self._dice = random.Random(form_id)  # noqa: S311
        self._http = httpx.AsyncClient(timeout=30, headers={"authorization": bearers["clinician"]})
        self._auditor = {"authorization": bearers["admin"]}
        self.subject = f"Patient/{uuid4()}"
        self.versions: dict[str, int] = {}
        self.open: set[str] = set()
        self.done = 0
        self.wrong: list[str] = []

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, ended: asyncio.Event) -> None:
        await self.create()
        while not ended.is_set():
            step = self._dice.choice([self.create, self.patch, self.patch, self.submit, self.get, self.history, self.diff])
            looks = [self.list_all, self.list_completed, self.audit, self.history]
            if self._dice.random() < 0.3:
                await asyncio.gather(step(), self.list_all())
            else:
                await step()
            await self._dice.choice(looks)()

    async def create(self) -> None:
        answer = await self._send("POST", "/v1/responses", {"questionnaire": self._form, "subject": self.subject})
        if answer is not None and answer.status_code == 201:
            self.versions[answer.json()["id"]] = 1
            self.open.add(answer.json()["id"])

    async def patch(self) -> None:
        if self.open:
            id_ = self._dice.choice(sorted(self.open))
            await self._write("PATCH", id_, "", {"answers": {"text": str(self._dice.random())}})

    async def submit(self) -> None:
        if len(self.open) > 2:
            id_ = self._dice.choice(sorted(self.open))
            self.open.discard(id_)
            await self._write("POST", id_, "/submit", None)

    async def get(self) -> None:
        id_ = self._any()
        known = self.versions[id_]
        answer = await self._send("GET", f"/v1/responses/{id_}")
        self._expect(answer, lambda body: body["version"] >= known, f"get shows less than version {known}")

    async def history(self) -> None:
        id_ = self._any()
        known = self.versions[id_]
        answer = await self._send("GET", f"/v1/responses/{id_}/history?limit=1000")
        self._expect(answer, lambda body: len(body["items"]) >= known, f"history ends before version {known}")

    async def diff(self) -> None:
        id_ = self._any()
        known = self.versions[id_]
        answer = await self._send("GET", f"/v1/responses/{id_}/diff?from=1&to={known}")
        self._expect(answer, lambda body: body["to"] == known, "diff")

    async def list_all(self) -> None:
        known = dict(self.versions)
        await self._listed("", known)

    async def list_completed(self) -> None:
        completed = {id_: version for id_, version in self.versions.items() if id_ not in self.open}
        await self._listed("&status=completed", completed)

    async def audit(self) -> None:
        id_ = self._any()
        known = self.versions[id_]
        answer = await self._send("GET", f"/v1/audit?entity={id_}&limit=1000", headers=self._auditor)
        self._expect(answer, lambda body: len(body["items"]) >= known, f"the audit lacks some of {known} changes")

    async def _listed(self, query: str, known: dict[str, int]) -> None:
        answer = await self._send("GET", f"/v1/responses?subject={self.subject}&limit=1000{query}")

        def right(body: Any) -> bool:
            shown = {one["id"]: one["version"] for one in body["items"]}
            return all(shown.get(id_, 0) >= version for id_, version in known.items())

        self._expect(answer, right, f"the list{query} lacks what was written")

    async def _write(self, method: str, id_: str, action: str, body: Any) -> None:
        version = self.versions[id_]
        answer = await self._send(method, f"/v1/responses/{id_}{action}", body, {"if-match": f'"{version}"'})
        self._expect(answer, lambda view: view["version"] == version + 1, "a write was not applied once")
        self.versions[id_] = version + 1

    def _any(self) -> str:
        return self._dice.choice(sorted(self.versions))

    def _expect(self, answer: httpx.Response | None, right: Callable[[Any], bool], words: str) -> None:
        if answer is not None and answer.status_code < 300 and not right(answer.json()):
            self.wrong.append(words)

    async def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response | None:
        sent = dict(headers or {})
        if not self._cookies:
            self._http.cookies.clear()
            if self._token:
                sent[TOKEN] = self._token
        answer = await self._http.request(method, self._dice.choice(self._nodes) + path, json=body, headers=sent)
        self.done += 1
        self._token = answer.headers.get(TOKEN, self._token)
        if answer.status_code >= 300:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        if TOKEN not in answer.headers or "keepwell_position=" not in answer.headers.get("set-cookie", ""):
            self.wrong.append(f"{method} {path}: no position")
        return answer


@asynccontextmanager
async def nodes(urls: DatabaseUrls, valkey_url: str, replica_urls: tuple[str, ...]) -> AsyncGenerator[list[str]]:
    """Two processes' worth of the whole application."""
    given: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(b"k" * 32).decode()}
    settings = Settings(**given, cache_warm_count=0)
    addresses = Addresses(urls.app, urls.owner, urls.auditor, valkey_url, replicas=replica_urls)
    await prepare(settings, addresses)
    async with AsyncExitStack() as stack:
        made = [Parts(settings, addresses, ProcessKind.API) for _ in range(2)]
        yield [await stack.enter_async_context(serving(application(parts))) for parts in made]


async def published(base: str) -> tuple[dict[str, str], str]:
    """Who may write responses and see the audit, and the form to answer."""
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        bearers: dict[str, str] = {}
        for name in ("clinician", "admin"):
            answer = await http.post("/v1/auth/login", json={"email": f"{name}@demo.test", "password": PASSWORD})
            bearers[name] = f"Bearer {answer.json()['access_token']}"
        sent = {"authorization": bearers["clinician"]}
        made = await http.post("/v1/questionnaires", json=form(item("text", "string")), headers=sent)
        assert made.status_code == 201, made.text
        return bearers, made.json()["id"]


def outcomes() -> Counter[str]:
    names = ("served", "behind", "failed", "lost", "none")
    return Counter(
        {name: round(REGISTRY.get_sample_value("keepwell_replica_reads_total", {"outcome": name}) or 0.0) for name in names}
    )


FAULTS: dict[str, tuple[Callable[[list[Replica]], object], Callable[[list[Replica]], object]]] = {
    "one is killed": (lambda both: both[0].kill(), lambda both: both[0].start()),
    "one is paused": (lambda both: both[1].pause(), lambda both: both[1].resume()),
    "one is frozen": (lambda both: both[0].freeze(), lambda both: both[0].thaw()),
    "both are a little late": (lambda both: [each.delay(150) for each in both], lambda both: [each.delay(0) for each in both]),
    "one is very late": (lambda both: both[1].delay(5000), lambda both: both[1].delay(0)),
    "both are gone": (lambda both: [each.kill() for each in both], lambda both: [each.start() for each in both]),
}


@pytest.mark.timeout(300)
async def test_no_session_reads_anything_stale_and_no_read_fails_while_the_primary_lives(urls: DatabaseUrls, valkey_url: str):
    with replicas(urls.superuser, 2) as both:
        async with nodes(urls, valkey_url, tuple(each.url(urls.app) for each in both)) as bases:
            bearers, form_id = await published(bases[0])
            sessions = [Session(bases, bearers, form_id, cookies=number % 2 == 0) for number in range(6)]
            ended = asyncio.Event()
            running = [asyncio.create_task(session.run(ended)) for session in sessions]
            served: dict[str, int] = {}

            async def for_a_while(name: str) -> None:
                before, goals = outcomes(), [session.done + 12 for session in sessions]

                async def enough() -> bool:
                    for task in running:
                        if task.done():
                            task.result()
                    return all(session.done >= goal for session, goal in zip(sessions, goals, strict=True))

                await eventually_async(enough, 60)
                served[name] = (outcomes() - before)["served"]

            await for_a_while("all is well")
            for name, (break_it, mend) in FAULTS.items():
                await asyncio.to_thread(break_it, both)
                await for_a_while(name)
                await asyncio.to_thread(mend, both)
                await for_a_while(f"after {name}")
            ended.set()
            await asyncio.gather(*running)
            for session in sessions:
                await session.close()
            assert [words for session in sessions for words in session.wrong] == []
            assert sum(len(session.versions) for session in sessions) > 20
            assert served["all is well"] > 0
            assert served["one is killed"] > 0
            assert served["one is paused"] > 0
