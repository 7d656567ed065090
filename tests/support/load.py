"""Clients that write and read without pause, and a ledger of everything they were told, to hold the server to it later.

Every write carries an Idempotency-Key and is sent again, with the same key, until it has an answer that settles it. Every
attempt has a request id of its own, so that what came of it can be found in the journal and in the access records.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.forms import form, item
from tests.support.waiting import eventually_async

PASSWORD = "keepwell-demo-pass"
CLINICIAN = "clinician@demo.test"
ITEMS = tuple(f"q{number}" for number in range(8))
_UNSETTLED = ("idempotency-key-in-use", "overloaded", "temporarily-unavailable", "outcome-unknown")
IMPATIENT = 0.05
_chance = random.SystemRandom()


@dataclass
class Response:
    """One response as its writers know it: the answers each acknowledged version set; version 1 is the creation."""

    id: str
    told: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])

    @property
    def version(self) -> int:
        return max(self.told)

    def answers(self, version: int | None = None) -> dict[str, str]:
        """All answers together, as they must be at `version` (the last one told, when None)."""
        last = self.version if version is None else version
        return {name: value for number in sorted(self.told) if number <= last for name, value in self.told[number].items()}


@dataclass
class Ledger:
    """What clients were told about the responses to one questionnaire.

    `reads` are the request ids of reads of which at least the head of a success arrived; `seen` is what they showed, at
    which version; `writes` are, for each
    acknowledged write, the request ids of all its attempts; `odd` are answers that nobody should ever get. `unanswered`
    requests the server cut off, `abandoned` ones the client; `refused` were told to come back later.
    """

    questionnaire: str
    responses: dict[str, Response] = field(default_factory=dict[str, Response])
    reads: set[str] = field(default_factory=set[str])
    seen: list[tuple[Response, int, dict[str, str]]] = field(default_factory=list[tuple[Response, int, dict[str, str]]])
    writes: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    odd: list[str] = field(default_factory=list[str])
    conflicts: int = 0
    unanswered: int = 0
    abandoned: int = 0
    refused: int = 0
    replayed: int = 0
    events: int = 0
    slowest: float = 0.0
    _waiting: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list[tuple[int, asyncio.Future[None]]])

    def summary(self) -> str:
        """Counts of what happened so far."""
        counts = {
            "responses": len(self.responses),
            "writes": len(self.writes),
            "reads": len(self.reads),
            "sent again": sum(len(attempts) - 1 for attempts in self.writes),
            "replayed": self.replayed,
            "conflicts": self.conflicts,
            "unanswered": self.unanswered,
            "abandoned": self.abandoned,
            "refused": self.refused,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items()) + f"; slowest {self.slowest:.2f} s"

    def tick(self) -> None:
        """Something was sent or answered."""
        self.events += 1
        for count, future in list(self._waiting):
            if self.events >= count:
                self._waiting.remove((count, future))
                if not future.done():
                    future.set_result(None)

    async def after(self, events: int, seconds: float = 60) -> None:
        """Returns when so many more things were sent or answered.

        Raises:
            TimeoutError: they were not within `seconds`.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((self.events + events, future))
        async with asyncio.timeout(seconds):
            await future


class Client:
    """One client. No answer within the patience of `http` counts as odd: a server may refuse, but not leave one waiting."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger) -> None:
        self._http = http
        self._ledger = ledger
        self._count = 0
        self.name = uuid4().hex[:12]

    async def create(self, *, large: bool = False) -> Response:
        """A new response of this client's own. A large one is worth caching."""
        answers = self._answers() | ({ITEMS[-1]: f"{self.name} {'and so on ' * 1500}"} if large else {})
        body = {"questionnaire": self._ledger.questionnaire, "answers": answers}
        answer = await self.settle("POST", "/v1/responses", body, 201)
        response = Response(answer.json()["id"], {1: answers})
        assert response.id not in self._ledger.responses, "an id was given out twice"
        self._ledger.responses[response.id] = response
        return response

    async def patch_own(self, response: Response) -> None:
        """Nobody else writes here: the version given must be just the next one."""
        answers = self._answers()
        answer = await self.settle("PATCH", f"/v1/responses/{response.id}", {"answers": answers}, 200, response.version)
        if answer.status_code == 200:
            self._note(response, answer, answers, response.version + 1)

    async def patch_shared(self, response: Response, version: int) -> int:
        """Others write here too: the version to try next."""
        answers = self._answers()
        path = f"/v1/responses/{response.id}"
        answer = await self.settle("PATCH", path, {"answers": answers}, 200, version, conflict=True)
        body = answer.json()
        if answer.status_code == 412:
            self._ledger.conflicts += 1
            return body["current_version"]
        self._note(response, answer, answers, version + 1)
        return body["version"]

    async def read(self, response: Response, *, own: bool = True) -> None:
        """Reads it once, whatever comes of it."""
        known, request_id = response.version, str(uuid4())
        self._ledger.tick()
        try:
            async with self._http.stream("GET", f"/v1/responses/{response.id}", headers={"X-Request-ID": request_id}) as answer:
                if answer.status_code == 200:
                    self._ledger.reads.add(request_id)
                await answer.aread()
        except httpx.TransportError:
            self._ledger.unanswered += 1
            await self.reachable()
            return
        self._ledger.tick()
        if answer.status_code == 503:
            self._refused(answer)
            return
        if answer.status_code != 200:
            self._ledger.odd.append(f"GET answered {answer.status_code}: {answer.text}")
            return
        body = answer.json()
        right = body["version"] == known if own else body["version"] >= known
        if not right:
            self._ledger.odd.append(f"GET of {response.id} lags: {body['version']} after {known}")
        self._ledger.seen.append((response, body["version"], body["answers"]))

    async def settle(
        self, method: str, path: str, body: object, expected: int, if_match: int | None = None, *, conflict: bool = False
    ) -> httpx.Response:
        """Sends a write, with one key, until its outcome is known."""
        key, attempts = str(uuid4()), list[str]()
        headers = {"Idempotency-Key": key} | ({} if if_match is None else {"If-Match": f'"{if_match}"'})
        while True:
            attempts.append(str(uuid4()))
            answer = await self._attempt(method, path, body, {**headers, "X-Request-ID": attempts[-1]})
            if answer is None:
                continue
            if answer.status_code == expected:
                self._ledger.writes.append(tuple(attempts))
                self._ledger.replayed += answer.headers.get("Idempotency-Replayed") == "true"
            elif not (conflict and answer.status_code == 412):
                self._ledger.odd.append(f"{method} answered {answer.status_code} on attempt {len(attempts)}: {answer.text}")
            return answer

    async def reachable(self) -> None:
        """Returns when the server says that it can serve. Without a cache it can: only slower."""

        async def look() -> bool:
            try:
                answer = await self._http.get("/health/ready")
            except httpx.TransportError:
                return False
            return answer.status_code == 200 or answer.json()["failing"] == ["cache"]

        await eventually_async(look, 60)

    async def _attempt(self, method: str, path: str, body: object, headers: dict[str, str]) -> httpx.Response | None:
        """The answer, or None when there was none or it settles nothing; the server answers again by then."""
        started = time.monotonic()
        self._ledger.tick()
        # Now and then the client hangs up early: the server may have done it, and the client does not know.
        patience = _chance.uniform(0.001, 0.03) if _chance.random() < IMPATIENT else None
        answer: httpx.Response | None = None
        try:
            async with asyncio.timeout(patience):
                answer = await self._http.request(method, path, json=body, headers=headers)
        except TimeoutError:
            self._ledger.abandoned += 1
        except httpx.TimeoutException:
            self._ledger.odd.append(f"{method} had no answer within {time.monotonic() - started:.1f} s")
        except httpx.TransportError:
            self._ledger.unanswered += 1
        self._ledger.slowest = max(self._ledger.slowest, time.monotonic() - started)
        self._ledger.tick()
        if answer is None:
            await self.reachable()
            return None
        if answer.status_code >= 400 and answer.json()["code"] in _UNSETTLED:
            self._refused(answer)
            await self.reachable()
            return None
        return answer

    def _refused(self, answer: httpx.Response) -> None:
        self._ledger.refused += 1
        if int(answer.headers.get("Retry-After", "0")) < 1:
            self._ledger.odd.append(f"{answer.status_code} without Retry-After: {answer.text}")

    def _note(self, response: Response, answer: httpx.Response, answers: dict[str, str], expected: int) -> None:
        version = answer.json()["version"]
        if version != expected or version in response.told:
            self._ledger.odd.append(f"version {version} of {response.id} was given out where {expected} is right")
        response.told[version] = answers

    def _answers(self) -> dict[str, str]:
        """One to three answers nobody ever gave before."""
        self._count += 1
        return {name: f"{self.name}-{self._count}-{name}" for name in _chance.sample(ITEMS[:-1], _chance.randint(1, 3))}


class Load:
    """Many clients at once, until told to stop."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, shared: Response) -> None:
        self._http = http
        self._ledger = ledger
        self._shared = shared
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, clients: int) -> None:
        self._stopping = False
        self._tasks = [asyncio.create_task(self._run()) for _ in range(clients)]

    async def stop(self, seconds: float = 90) -> None:
        """Lets every client finish what it began, and settle what is open.

        Raises:
            TimeoutError: one did not within `seconds`.
        """
        self._stopping = True
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """Ends all clients where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        client = Client(self._http, self._ledger)
        response, version = await client.create(large=True), self._shared.version
        while not self._stopping:
            await client.patch_own(response)
            await client.read(response)
            version = await client.patch_shared(self._shared, version)
            await client.read(self._shared, own=False)
            if _chance.random() < 0.1:
                response = await client.create(large=_chance.random() < 0.5)


async def sign_in(http: httpx.AsyncClient, email: str = CLINICIAN, password: str = PASSWORD) -> dict[str, Any]:
    """Logs in and lets `http` carry the access token from now on."""
    answer = await http.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer.json()


@contextlib.asynccontextmanager
async def client_of(base: str, email: str | None = CLINICIAN, seconds: float = 15) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of a running server, signed in unless `email` is None. It waits `seconds` for an answer."""
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    async with httpx.AsyncClient(base_url=base, timeout=seconds, limits=limits, trust_env=False) as http:
        if email is not None:
            await sign_in(http, email)
        yield http


async def simple_questionnaire(http: httpx.AsyncClient) -> str:
    """A published form of text questions; its id."""
    body = form(*(item(name) for name in ITEMS), url=f"urn:uuid:{uuid4()}", version="1")
    answer = await http.post("/v1/questionnaires", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def history_of(http: httpx.AsyncClient, response: str) -> list[dict[str, Any]]:
    """All that happened to a response, oldest first, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = await http.get(f"/v1/responses/{response}/history", params={} if cursor is None else {"cursor": cursor})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items
