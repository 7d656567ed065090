"""What compressing answers costs the door and saves the wire: `python -m bench.compression`.

One process, one event loop, the door called as a server calls it; no socket, so that what is measured is the door alone. Every
contender gets the same list. `as it was` is an endpoint that allows no compression, asked as a browser asks.
"""

import argparse
import random
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import Any, cast
from uuid import UUID

import msgspec
import uvloop

from bench.measurement import Run, by_turns, compare
from keepwell.kernel import Actor
from keepwell.kernel.http import Answer, Call, Door, Endpoint
from keepwell.kernel.http.coding import CODINGS
from keepwell.kit.ids import NIL
from keepwell.platform import telemetry

SIZES = (600, 1_500, 3_000, 8_000, 25_000, 60_000, 250_000)
"""Bytes of the answer: a response, a form, lists of ever more responses."""

_AT_ONCE = 100
_BROWSER = b"gzip, deflate, br, zstd"


class _Kernel:
    positions = None


def listed(size: int) -> bytes:
    """A list of responses as the server answers it, of about this many bytes: ids and instants that do not repeat."""
    chance = random.Random(size)  # noqa: S311 - to be the same in every run
    items: list[dict[str, Any]] = []

    def instant() -> str:
        day, hour, second = chance.randint(10, 30), chance.randint(10, 23), chance.uniform(10, 59)
        return f"2026-09-{day}T{hour}:09:{second:.6f}Z"

    while not items or len(msgspec.json.encode(items)) < size:
        items.append(
            {
                "id": UUID(int=chance.getrandbits(128)),
                "questionnaire": UUID(int=7),
                "subject": f"Patient/{chance.getrandbits(40)}",
                "status": chance.choice(("in-progress", "completed")),
                "version": chance.randint(1, 20),
                "created_at": instant(),
                "updated_at": instant(),
            }
        )
    return msgspec.json.encode({"items": items, "next": None})[: max(size, 600)]


class Asker:
    """Asks one door for one body, under one `Accept-Encoding`. Remembers how many bytes the last answer had."""

    def __init__(self, body: bytes, accept: bytes, *, allowed: bool) -> None:
        async def answer(_: Call) -> Answer:
            return Answer(body=body, headers={"etag": '"7"'})

        endpoint = Endpoint("GET", "/list", answer, "List", "Bench", public=True, etag=True, compressed=allowed)
        self._door = Door(cast("Any", _Kernel()), lambda _: Actor(NIL, NIL, "", ()), [endpoint])
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/list",
            "query_string": b"",
            "headers": [(b"host", b"bench"), (b"accept-encoding", accept), (b"x-request-id", b"bench")],
        }
        self.bytes = 0

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request"}

    async def _send(self, message: Any) -> None:
        self.bytes += len(message.get("body", b""))

    async def run(self, seconds: float) -> Run:
        """As many answers as fit."""
        done, began = 0, perf_counter()
        while (taken := perf_counter() - began) < seconds:
            for _ in range(_AT_ONCE):
                self.bytes = 0
                await self._door(dict(self._scope), cast("Any", self._receive), self._send)
            done += _AT_ONCE
        return Run(done / taken, taken / done * 1000, facts={"bytes": self.bytes})


async def measure(asked: argparse.Namespace) -> None:
    """Prints, for each size, what an answer takes without compression and with each coding, and its bytes."""
    telemetry.configure("error")
    print("| bytes | | µs an answer | more than as it was | bytes sent | µs for each kB saved |\n|---|---|---|---|---|---|")
    for size in asked.sizes:
        body = listed(size)
        askers = {"as it was": Asker(body, _BROWSER, allowed=False), "not wanted": Asker(body, b"identity", allowed=True)}
        askers |= {coding.name: Asker(body, coding.name.encode(), allowed=True) for coding in CODINGS}
        series = await by_turns({name: _contender(asker, asked.seconds) for name, asker in askers.items()}, asked.rounds, _quiet)
        base = 1e6 / series["as it was"].per_second
        for name, each in series.items():
            took = base / median(compare(name, series, name, "as it was").ratios)
            sent = each.runs[-1].facts["bytes"]
            saved = f"{(took - base) / (len(body) - sent) * 1000:.1f}" if sent < len(body) else ""
            size_of = f"{sent:,} ({100 * sent / len(body):.0f} %)"
            print(f"| {len(body):,} | {name} | {took:.1f} | {took - base:+.1f} | {size_of} | {saved} |")


def _contender(asker: Asker, seconds: float) -> Callable[[], Awaitable[Run]]:
    return lambda: asker.run(seconds)


def _quiet(_: str) -> None:
    """Rounds say little here: they are short."""


def main() -> None:
    """Measures in this process."""
    parser = argparse.ArgumentParser(prog="python -m bench.compression", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    uvloop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
