"""What it costs a request to say who asks: `python -m bench.authentication`.

One process, one event loop, the door called as a server calls it. Both contenders read the same responses, audited. One carries
the access token of a real login, which is verified, and whose session the database finds alive in the statement that reads;
for the other the door takes everybody for somebody who needs no session.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID

import msgspec
import uvloop

from bench.clinics import answers, form
from bench.effort import so_far
from bench.kernel import drive
from bench.measurement import Run, by_turns, compare
from keepwell.domains import identity, questionnaires, responses, tenants
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.domains.responses import routes as response_routes
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Origin
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from keepwell.platform import migrations, telemetry
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.postgres import Database, PoolSettings

_PASSWORD = "bench-pass-for-nobody"  # noqa: S105 - of an account that lives as long as a bench
_ORIGIN = Origin("bench", "bench-set-up")
_AGGREGATES = (*tenants.AGGREGATES, *identity.AGGREGATES, *questionnaires.AGGREGATES, *responses.AGGREGATES)
WITH, WITHOUT = "with a session", "without"


class Caller:
    """Somebody who sends requests to a door, one after the other."""

    def __init__(self, door: Door, token: str) -> None:
        self._door = door
        self._token = token
        self._answer: dict[str, Any] = {}
        self.path = ""

    async def read(self) -> None:
        """Reads the response at `path`."""
        await self.send("GET", self.path)
        if self._answer["status"] != 200:
            raise RuntimeError(self._answer)

    async def send(self, method: str, path: str, body: Any = None, version: int | None = None) -> dict[str, Any]:
        """One request and the document it is answered with."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = [(b"host", b"bench"), (b"authorization", f"Bearer {self._token}".encode())]
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())] if content else []
        headers += [(b"if-match", f'"{version}"'.encode())] if version else []
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            self._answer |= message

        await self._door(scope, cast("Any", receive), send)
        return self._answer


class Stage:
    """The rooms over one database, a person logged in, and responses to read."""

    def __init__(self, servers: EmbeddedServers, data: Path) -> None:
        clock = SystemClock()
        ring = KeyRing(bytes(32), clock)
        self._data = data
        self._database = Database(PoolSettings(servers.app_url))
        self._kernel = Kernel(self._database, Catalog(_AGGREGATES), ring, clock, Limits())
        self._clinics = tenants.TenantService(self._kernel)
        self._people = identity.IdentityService(self._kernel, self._clinics)
        forms = questionnaires.QuestionnaireService(self._kernel)
        service = responses.ResponseService(self._kernel, forms, _never)
        self._endpoints = (*questionnaire_routes.endpoints(forms), *response_routes.endpoints(service))

    async def open(self, count: int) -> dict[str, list[Caller]]:
        """Callers of either kind, each with a response of its own that both read."""
        await self._database.open()
        clinic = await self._clinics.ensure("bench", "A clinic", _ORIGIN)
        await self._people.users.create_user(clinic.id, "a@bench.test", "A clinician", "clinician", _PASSWORD, _ORIGIN)
        session = await self._people.logins.login("a@bench.test", _PASSWORD, None, _ORIGIN)
        someone = Actor(clinic.id, new_id(), "clinician", identity.SCOPES["clinician"])
        doors = {
            WITH: Door(self._kernel, self._people.authenticate, self._endpoints),
            WITHOUT: Door(self._kernel, lambda _: someone, self._endpoints),
        }
        callers = {name: [Caller(door, session.access_token) for _ in range(count)] for name, door in doors.items()}
        paths = await _responses(callers[WITH][0], count)
        for several in callers.values():
            for caller, path in zip(several, paths, strict=True):
                caller.path = path
        return callers

    async def run(self, callers: Sequence[Caller], seconds: float) -> Run:
        """As many reads as fit."""
        before = so_far(self._data, [os.getpid()])
        run = await drive(callers, Caller.read, seconds)
        done = round(run.per_second * seconds)
        return msgspec.structs.replace(run, facts={"done": done, **so_far(self._data, [os.getpid()]).since(before, done)})

    async def close(self) -> None:
        self._people.close()
        await self._kernel.close()
        await self._database.close()


async def _never(_: Actor) -> bool:
    return False


async def _responses(caller: Caller, count: int) -> list[str]:
    made = await caller.send("POST", "/v1/questionnaires", form())
    questionnaire = str(UUID(msgspec.json.decode(made["body"])["id"]))
    await caller.send("POST", f"/v1/questionnaires/{questionnaire}/publish", version=1)
    body = {"questionnaire": questionnaire, "answers": answers()}
    found = [msgspec.json.decode((await caller.send("POST", "/v1/responses", body))["body"]) for _ in range(count)]
    return [f"/v1/responses/{one['id']}" for one in found]


async def measure(servers: EmbeddedServers, data: Path, asked: argparse.Namespace) -> None:
    """Prints the runs, and what part of an audited read goes into knowing who asks."""
    telemetry.configure("error")
    migrations.upgrade(servers.migration_url)
    stage = Stage(servers, data)
    try:
        callers = await stage.open(asked.clients)

        def contender(name: str) -> Callable[[], Awaitable[Run]]:
            return lambda: stage.run(callers[name], asked.seconds)

        await asyncio.gather(*(caller.read() for several in callers.values() for caller in several))
        series = await by_turns({name: contender(name) for name in callers}, asked.rounds, print)
        found = compare("authentication", series, WITH, WITHOUT)
        print(f"with / without: rate {found.ratio:.2f} {[round(each, 2) for each in found.ratios]}")
        print(f"of the processor time of an audited GET, authentication takes {1 - found.effort:.0%} (aim: at most 15 %)")
    finally:
        await stage.close()


def main() -> None:
    """Measures on embedded servers of its own, in a temporary folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.authentication", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=64)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        data = Path(folder) / "data"
        with EmbeddedServers.attach(data) as servers:
            uvloop.run(measure(servers, data, asked))


if __name__ == "__main__":
    main()
