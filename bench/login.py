"""Logging in, under a flood too, and what limits cost: `python -m bench.login`.

One server process of the product, and clients in this one. Log-ins a second stand beside bare Argon2 on as many threads as the
server has for it; the time of another route beside itself without the flood; a read with limits beside one without, by turns.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx
import uvloop
from argon2 import PasswordHasher, Type

from bench import flood
from bench.clinics import PASSWORD, open_clinics
from bench.stage import Server, bare, databases, keepwell
from keepwell.domains.identity.service.hashing import LANES, MEMORY_KIB, PASSES
from keepwell.kernel import Actor
from keepwell.kernel.http import USUAL, Policy, RateLimits
from keepwell.kit.gcra import Rate
from keepwell.kit.ids import new_id
from keepwell.platform import migrations
from keepwell.platform.allowances import Allowances
from keepwell.platform.valkey import Valkey, ValkeySettings

_CLIENTS = 8
Step = Callable[[httpx.AsyncClient], Awaitable[int]]


def argon2_rate(seconds: float, threads: int) -> float:
    """Argon2 computations a second, with nothing around them."""
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
    known = hasher.hash(PASSWORD)

    def work(until: float) -> int:
        done = 0
        while perf_counter() < until:
            hasher.verify(known, PASSWORD)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, [perf_counter() + seconds] * threads)) / seconds


async def rate(url: str, step: Step, seconds: float, clients: int = _CLIENTS) -> float:
    """Successes a second."""
    until = perf_counter() + seconds

    async def drive() -> int:
        done = 0
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            while perf_counter() < until:
                done += (await step(http)) == int(httpx.codes.OK)
        return done

    return sum(await asyncio.gather(*(drive() for _ in range(clients)))) / seconds


def logging_in(email: str, password: str) -> Step:
    """One login."""

    async def step(http: httpx.AsyncClient) -> int:
        return (await http.post("/v1/auth/login", json={"email": email, "password": password})).status_code

    return step


async def decisions(valkey_url: str, count: int = 20_000) -> float:
    """Microseconds of processor time that one decision takes, settlements with Valkey included."""
    cache = Valkey(ValkeySettings(valkey_url))
    await cache.open()
    policy = Policy(Rate.of(1e6, 1_000_000), Rate.of(1e6, 1_000_000), Rate.of(1e6, 1_000_000))
    limits = RateLimits({USUAL: policy}, bytes(32), Allowances(cache))
    actors = [Actor(new_id(), new_id(), "clinician", ()) for _ in range(100)]
    before = os.times()
    for number in range(count):
        await limits.spend(USUAL, "192.0.2.1", actors[number % 100])
        if number % 50 == 0:
            await asyncio.sleep(0)
    after = os.times()
    await limits.close()
    await cache.close()
    return (after.user + after.system - before.user - before.system) / count * 1e6


async def measure(folder: Path, asked: argparse.Namespace) -> None:
    """Prints everything."""
    data, threads = folder / "data", max(1, len(os.sched_getaffinity(0)) - 1)
    with databases(data) as servers:
        migrations.upgrade(servers.migration_url)
        [clinic] = await open_clinics(servers, data, ["bench"])
        print(f"one rate limit decision: {await decisions(servers.valkey_url):.1f} us of processor")
        with (
            keepwell(folder, processes=1) as server,
            keepwell(folder, processes=1, settings={}) as limited,
        ):
            await server.ready("/health/ready")
            await limited.ready("/health/ready")
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
                answer = await http.post("/v1/auth/login", json={"email": clinic.email, "password": PASSWORD})
                token: str = answer.raise_for_status().json()["access_token"]
            if not asked.flood:
                await _reads(server.url, limited.url, token, asked)
                await _log_ins(server.url, clinic.email, threads, asked)
            await _under_flood(limited, folder, clinic.email, token, asked)


async def _reads(free: str, limited: str, token: str, asked: argparse.Namespace) -> None:
    async def read(http: httpx.AsyncClient) -> int:
        return (await http.get("/v1/auth/me", headers={"authorization": f"Bearer {token}"})).status_code

    ratios: list[float] = []
    for number in range(asked.rounds):
        urls = {"free": free, "limited": limited}
        found = {name: await rate(urls[name], read, asked.seconds) for name in list(urls)[:: 1 if number % 2 else -1]}
        ratios.append(found["limited"] / found["free"])
        print(f"  GET /v1/auth/me: {found['limited']:.0f}/s with limits, {found['free']:.0f}/s without")
    print(f"a read with limits / without: {median(ratios):.2f}")


async def _log_ins(url: str, email: str, threads: int, asked: argparse.Namespace) -> None:
    ratios: list[float] = []
    for _ in range(asked.rounds):
        argon2 = await asyncio.to_thread(argon2_rate, asked.seconds, threads)
        logins = await rate(url, logging_in(email, PASSWORD), asked.seconds)
        ratios.append(logins / argon2)
        print(f"  {logins:.1f} log-ins a second, {argon2:.1f} bare Argon2, {threads} thread(s)")
    print(f"log-ins / bare Argon2: {median(ratios):.2f} (aim: 0.85)")


async def _under_flood(server: Server, folder: Path, email: str, token: str, asked: argparse.Namespace) -> None:
    rounds: list[flood.Round] = []
    async with flood.flooding() as send:
        with bare(folder, module="bench.refusing", processes=1) as refusing:
            await refusing.ready("/")
            for _ in range(asked.rounds):
                print(
                    f"  who only refuses: {await flood.effort(send, refusing, folder / 'data', email, asked.seconds)}", flush=True
                )
                print(f"  the product: {await flood.effort(send, server, folder / 'data', email, asked.seconds)}", flush=True)
                found, statuses = await flood.one_round(send, server.url, refusing.url, token, asked.seconds)
                rounds.append(found)
                print(f"  p95: {found.quiet:.1f} ms quiet, {found.elsewhere:.1f} ms with the flood elsewhere, ", end="")
                print(f"{found.here:.1f} ms with it here ({statuses})", flush=True)
    print(flood.told(rounds))


def main() -> None:
    """Measures on servers of its own, in a temporary folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.login", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flood", action="store_true", help="only what a flood does to other routes")
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        uvloop.run(measure(Path(folder), parser.parse_args()))


if __name__ == "__main__":
    main()
