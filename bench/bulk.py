"""1,000 changes in one bulk call beside 1,000 single calls: `python -m bench.bulk`.

The single calls go out one after another on one kept connection, as a client without bulk would send them; beside that, for
what it is worth, over sixteen connections at once. All changes are to responses of their own, with the version that was seen
and an idempotency key, and every one is checked to have been carried out.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from bench import clinics, machine, stage
from bench.clinics import Opened
from bench.database import connect
from bench.measurement import Run, by_turns, compare
from bench.wrk import Target
from keepwell.kit.ids import new_id
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.master_key import make_master_key

CHANGES = 1_000
AIM = 8.0
_WIDE = 16
_CALLS = 5


class _Outcome(msgspec.Struct):
    status: int


class _Outcomes(msgspec.Struct):
    outcomes: list[_Outcome]


class Caller:
    """One kept connection. As thin as a client can be, so that the server's time is what is measured."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, token: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        lines = [f"{method} {path} HTTP/1.1", "host: bench", f"authorization: Bearer {token}", "content-type: application/json"]
        lines += [f"content-length: {len(body)}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), None)
        return status, await (self._chunks() if length is None else self._reader.readexactly(length))

    async def _chunks(self) -> bytes:
        assert self._reader is not None  # noqa: S101 - `send` opened it
        found = b""
        while size := int(await self._reader.readline(), 16):
            found += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return found

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class Load:
    """A clinic's responses, each known at its newest version."""

    def __init__(self, url: str, targets: Sequence[Target]) -> None:
        self._url = url
        self._targets = targets
        self._versions = [target.version for target in targets]
        self._turn = 0

    async def singly(self, connections: int) -> Run:
        """Every response changed by a call of its own."""
        callers = [Caller(self._url) for _ in range(connections)]
        self._turn += 1
        started = perf_counter()
        await asyncio.gather(*(self._some(caller, range(place, CHANGES, connections)) for place, caller in enumerate(callers)))
        elapsed = perf_counter() - started
        for caller in callers:
            caller.close()
        return Run(CHANGES / elapsed, elapsed / CHANGES * 1000 * connections)

    async def _some(self, caller: Caller, places: range) -> None:
        for place in places:
            target, headers = self._targets[place], {"if_match": f'"{self._versions[place]}"', "idempotency_key": str(new_id())}
            status, _ = await caller.send("PATCH", target.path, target.token, msgspec.json.encode(self._change()), **headers)
            _require(status)
            self._versions[place] += 1

    async def in_bulk(self) -> Run:
        """Every response changed by one call for all, a few times over: one call is short, and the machine's mood is not."""
        elapsed = sum([await self._one_call() for _ in range(_CALLS)])
        return Run(_CALLS * CHANGES / elapsed, elapsed / _CALLS / CHANGES * 1000)

    async def _one_call(self) -> float:
        caller = Caller(self._url)
        self._turn += 1
        operations = [
            {"op": "patch", "id": target.id, "if_match": version, "idempotency_key": str(new_id()), **self._change()}
            for target, version in zip(self._targets, self._versions, strict=True)
        ]
        started = perf_counter()
        body = msgspec.json.encode({"operations": operations})
        status, answered = await caller.send("POST", "/v1/responses/bulk", self._targets[0].token, body)
        elapsed = perf_counter() - started
        caller.close()
        _require(status)
        for outcome in msgspec.json.decode(answered, type=_Outcomes).outcomes:
            _require(outcome.status)
        self._versions = [version + 1 for version in self._versions]
        return elapsed

    def _change(self) -> dict[str, dict[str, str]]:
        return {"answers": {"question-07": f"Another answer, {self._turn:06}"}}


def _require(status: int) -> None:
    if status != 200:
        raise SystemExit(f"a change was answered with {status}: nothing was measured")


async def measure(servers: EmbeddedServers, folder: Path, rounds: int) -> float:
    """The ratio of the rates, printed with all rounds."""
    owner = await connect(servers.migration_url)
    print(await machine.postgres(owner))
    await owner.close()
    with stage.keepwell(folder) as server:
        await server.ready("/health/ready")
        [clinic] = await clinics.open_clinics(servers, folder / "data", ["bulk"])
        load = Load(server.url, await _targets(server.url, clinic))
        contenders = {
            "bulk": load.in_bulk,
            "single calls": lambda: load.singly(1),
            f"single calls, {_WIDE} connections": lambda: load.singly(_WIDE),
        }
        for warm_up in contenders.values():
            await warm_up()
        series = await by_turns(contenders, rounds, print)
    wide = compare("", series, "bulk", f"single calls, {_WIDE} connections")
    print(f"bulk / single calls, {_WIDE} connections: {wide.ratio:.1f}")
    ratio = compare("", series, "bulk", "single calls").ratio
    print(f"bulk of {CHANGES:,} changes / {CHANGES:,} single calls: {ratio:.1f} (aim {AIM:.0f})")
    return ratio


async def _targets(url: str, clinic: Opened) -> list[Target]:
    return await clinics.targets(url, clinic, CHANGES)


def main() -> int:
    """Measures on embedded servers of its own, in a temporary folder. 0 when the aim is reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        make_master_key(Path(folder) / "data")
        with EmbeddedServers.attach(Path(folder) / "data") as servers:
            return 0 if asyncio.run(measure(servers, Path(folder), options.rounds)) >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
