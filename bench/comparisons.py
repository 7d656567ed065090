"""The comparisons: with PostgreSQL alone, a bare handler, gathering on and off, many clinics and one, door and door, COPY."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench import bare, clinics, effort, machine, pgbench, proof, stage, wrk
from bench.database import connect
from bench.enrollment import Enrolling, servers_in
from bench.measurement import Comparison, Contender, Run, Series, by_turns, compare
from bench.stage import Server
from bench.wrk import Target
from keepwell.kit.ids import new_id
from keepwell.platform.embedded import EmbeddedServers

FEW, MANY = 16, 64
PARTS = ("writes", "reads", "gather", "tenants", "doors", "enrollment")
_WARM_SECONDS = 2
_STATE_BYTES = "SELECT round(avg(octet_length(state))) FROM aggregate WHERE id = ANY($1::uuid[])"

PGBENCH_FEW, PGBENCH = f"pgbench, {FEW} clients", f"pgbench, {MANY} clients"
PATCH_FEW, PATCH = f"PATCH, {FEW} connections", f"PATCH, {MANY} connections"
PATCH_ALONE = f"PATCH, {MANY} connections, gather off"
GET = f"audited GET, {MANY} connections"
GET_FHIR, GET_GRAPHQL = f"the same through FHIR, {MANY} connections", f"the same through GraphQL, {MANY} connections"
ENROLL, COPY, COPY_STORED = "enrolling", "COPY of the bare rows", "COPY of what is stored"
_ROWS = 50_000
BARE, STRIPPED = f"bare GET, {MANY} connections", f"stripped GET, {MANY} connections"


class Load(msgspec.Struct, frozen=True):
    """How much of it: seconds a run, rounds, and clinics in the comparison of many with one."""

    seconds: float = 6
    rounds: int = 3
    clinics: int = 200
    parts: tuple[str, ...] = PARTS


class Findings(msgspec.Struct, frozen=True):
    """Everything that was found."""

    comparisons: tuple[Comparison, ...]
    postgres: dict[str, str]
    state_bytes: int


class Bench:
    """The servers, the clinics and the responses of one bench."""

    def __init__(self, servers: EmbeddedServers, folder: Path, load: Load, say: Callable[[str], None]) -> None:
        self._servers = servers
        self._folder = folder
        self._load = load
        self._say = say
        self._stack = ExitStack()
        self._warm: set[tuple[str, str, str]] = set()
        self._admin: Any = None
        self._auditor: Any = None

    async def run(self) -> Findings:
        """Sets up, runs all rounds, takes down."""
        with self._stack:
            on = self._stack.enter_context(stage.keepwell(self._folder))
            await on.ready("/health/ready")
            self._admin = await connect(self._servers.postgres_url("postgres"))
            self._auditor = await connect(self._servers.auditor_url)
            try:
                return await self._measured(on)
            finally:
                await self._auditor.close()
                await self._admin.close()

    async def _measured(self, on: Server) -> Findings:
        postgres = await machine.postgres(self._admin)
        self._say("PostgreSQL " + ", ".join(f"{name} {value}" for name, value in postgres.items()))
        parts = self._load.parts
        slugs = ["bench", *(f"bench-{n:03}" for n in range(self._load.clinics if "tenants" in parts else 0))]
        self._say(f"setting up {len(slugs)} clinics")
        opened = await clinics.open_clinics(self._servers, self._folder / "data", slugs)
        one = await clinics.targets(on.url, opened[0], max(MANY, self._load.clinics if "tenants" in parts else 0))
        many = await clinics.many_targets(on.url, opened[1:])
        contenders = await self._contenders(on, one, many)
        state_bytes = int(await self._admin.fetchval(_STATE_BYTES, [target.id for target in one]))
        self._say(f"{self._load.rounds} rounds of {self._load.seconds:g} s each; stored state {state_bytes} bytes")
        series = await by_turns(contenders, self._load.rounds, self._say)
        return Findings(tuple(self._compared(series)), postgres, state_bytes)

    async def _contenders(self, on: Server, one: Sequence[Target], many: Sequence[Target]) -> dict[str, Contender]:
        parts = self._load.parts
        found: dict[str, Contender] = {}
        if "writes" in parts:
            await pgbench.prepare(self._servers)
            found[PGBENCH_FEW] = lambda: self._pgbench(FEW)
            found[PATCH_FEW] = lambda: self._patch(on, one[:FEW], FEW)
            found[PGBENCH] = lambda: self._pgbench(MANY)
        if "writes" in parts or "gather" in parts:
            found[PATCH] = lambda: self._patch(on, one[:MANY], MANY)
        if "gather" in parts:
            off = self._stack.enter_context(stage.keepwell(self._folder, gather=False))
            await off.ready("/health/ready")
            found[PATCH_ALONE] = lambda: self._patch(off, one[:MANY], MANY)
        if "reads" in parts:
            handler = self._stack.enter_context(stage.bare(self._folder, self._servers.app_url))
            copies, stripped = await self._bare_copies(one[:MANY])
            await handler.ready(copies[0].path)
            found[BARE] = lambda: self._get(handler, copies)
            found[GET] = lambda: self._get(on, one[:MANY])
            found[STRIPPED] = lambda: self._get(handler, stripped)
        if "doors" in parts:
            resources, documents = clinics.through_fhir(one[:MANY]), clinics.through_graphql(one[:MANY])
            found[GET] = lambda: self._get(on, one[:MANY])
            found[GET_FHIR] = lambda: self._get(on, resources)
            found[GET_GRAPHQL] = lambda: self._get(on, documents, "post")
        if "enrollment" in parts:
            alone = self._stack.enter_context(servers_in(self._folder / "enrollment"))
            enrolling = Enrolling(*alone, _ROWS)
            found[COPY] = enrolling.copy
            found[ENROLL] = enrolling.enroll
            found[COPY_STORED] = enrolling.copy_stored
        if "tenants" in parts:
            found[self._of(1)] = lambda: self._patch(on, one, MANY)
            found[self._of(len(many))] = lambda: self._patch(on, many, MANY)
        return found

    def _compared(self, series: dict[str, Series]) -> list[Comparison]:
        parts = self._load.parts
        found: list[Comparison] = []
        if "writes" in parts:
            found.append(compare("a. writes, few", series, PATCH_FEW, PGBENCH_FEW))
            found.append(compare("a. writes, many", series, PATCH, PGBENCH, 0.6))
        if "reads" in parts:
            found.append(compare("b. reads", series, GET, BARE, 1.3))
            found.append(compare("b. reads, stripped", series, GET, STRIPPED))
        if "gather" in parts:
            found.append(compare("c. gathering", series, PATCH, PATCH_ALONE, 2.5))
        if "tenants" in parts:
            found.append(compare("d. clinics", series, self._of(self._load.clinics), self._of(1), 0.7))
        if "doors" in parts:
            found.append(compare("e. FHIR", series, GET_FHIR, GET))
            found.append(compare("e. GraphQL", series, GET_GRAPHQL, GET))
        if "enrollment" in parts:
            found.append(compare("f. enrollment", series, ENROLL, COPY, 0.1))
            found.append(compare("f. enrollment, stored", series, ENROLL, COPY_STORED))
        return found

    def _of(self, clinics_: int) -> str:
        return f"PATCH, {self._load.clinics} responses of {clinics_} clinic{'' if clinics_ == 1 else 's'}"

    async def _pgbench(self, clients: int) -> Run:
        await self._settle()
        return await self._weighed((), pgbench.run(self._servers, clients, self._load.seconds))

    async def _patch(self, server: Server, targets: Sequence[Target], connections: int) -> Run:
        if self._first_time("patch", server, targets):
            before = await proof.settled(self._auditor, targets)
            await wrk.run("patch", server.url, before, connections, _WARM_SECONDS, str(new_id()))
        await self._settle()
        before = await proof.settled(self._auditor, targets)

        async def load() -> Run:
            report = await wrk.run("patch", server.url, before, connections, self._load.seconds, str(new_id()))
            unseen = await proof.check(self._auditor, before, report, connections)
            return report.as_run(in_flight_at_end=unseen)

        return await self._weighed(server.pids, load())

    async def _get(self, server: Server, targets: Sequence[Target], script: str = "get") -> Run:
        if self._first_time(script, server, targets):
            await wrk.run(script, server.url, targets, MANY, _WARM_SECONDS)
        await self._settle()

        async def load() -> Run:
            return (await wrk.run(script, server.url, targets, MANY, self._load.seconds)).as_run()

        return await self._weighed(server.pids, load())

    async def _weighed(self, servers: Sequence[int], load: Awaitable[Run]) -> Run:
        """The run, with the processor time it took."""
        before = effort.so_far(self._folder / "data", servers)
        run = await load
        after = effort.so_far(self._folder / "data", servers)
        return msgspec.structs.replace(run, facts={**run.facts, **after.since(before, run.facts["done"])})

    def _first_time(self, script: str, server: Server, targets: Sequence[Target]) -> bool:
        """Whether this load comes for the first time: then connections, keys and tokens are opened before it counts."""
        load = (script, server.url, targets[0].path)
        fresh = load not in self._warm
        self._warm.add(load)
        return fresh

    async def _settle(self) -> None:
        """Every run starts behind a checkpoint, so that none pays for the pages of the one before."""
        await self._admin.execute("CHECKPOINT")

    async def _bare_copies(self, targets: Sequence[Target]) -> tuple[list[Target], list[Target]]:
        """The same responses in the bare handlers' table, at the addresses of each handler."""
        answers = clinics.answers()
        document = {"id": new_id(), "questionnaire": new_id(), "status": "in-progress", "version": 1, "answers": answers}
        body = msgspec.json.encode({**document, "created_at": datetime.now(UTC), "updated_at": datetime.now(UTC)}).decode()
        await self._admin.execute(bare.SCHEMA)
        rows = [(target.id, 1, msgspec.json.encode(answers).decode(), body) for target in targets]
        await self._admin.executemany(bare.INSERT, rows)
        bare_, stripped = (
            [msgspec.structs.replace(target, path=f"/{name}/{target.id}") for target in targets] for name in ("bare", "stripped")
        )
        return bare_, stripped
