"""HTTP and HTTPS probes beside prometheus-blackbox-exporter at the same server: `python -m bench.probes`.

Both open a connection for each probe, verify the certificate, and run by turns. The exporter is asked by wrk, whose processor
time is not counted, nor is the target's; but what it takes to answer wrk with its metrics is, as it cannot be asked otherwise.
Where the exporter is not installed (Debian: prometheus-blackbox-exporter) or not named with `--exporter`, its part is left out,
and said to be.
"""

import argparse
import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import uvloop

from bench import machine
from bench.exporter import AT_ONCE, PROGRAM, FailedError, probed, running
from bench.measurement import Comparison, Run, Series, compare
from bench.probe_target import CERTIFICATE
from keepwell.platform.probing import HttpProbe, Prober, ProberSettings

AIM = 2.0
_GOOD = 200


async def ours(prober: Prober, url: str, seconds: float) -> Run:
    """As many probes as there are, `AT_ONCE` at a time, for so many seconds.

    Raises:
        FailedError: one was not answered with 200.
    """
    started, used, done = perf_counter(), process_time(), 0

    async def keep_asking() -> None:
        nonlocal done
        while perf_counter() - started < seconds:
            seen = await prober.probe(HttpProbe(url), private=True)
            if seen.status != _GOOD:
                raise FailedError(f"{url}: {seen.error}")
            done += 1

    await asyncio.gather(*(keep_asking() for _ in range(AT_ONCE)))
    return probed(done, perf_counter() - started, process_time() - used)


async def measure(asked: argparse.Namespace, folder: Path, ports: tuple[int, int]) -> list[Comparison]:
    """The comparisons, of which there are none without the exporter; our own rates are printed all the same."""
    urls = {"plain": f"http://127.0.0.1:{ports[0]}/", "secure": f"https://127.0.0.1:{ports[1]}/"}
    prober = Prober(ProberSettings(at_once=AT_ONCE, per_target=AT_ONCE, authority=str(folder / CERTIFICATE)))
    await prober.open()
    contenders: dict[str, Callable[[], Awaitable[Run]]] = {}
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(prober.close)
        for module, url in urls.items():
            contenders[f"ours, {module}"] = lambda url=url: ours(prober, url, asked.seconds)
        if asked.exporter is None:
            print(f"{PROGRAM} is not installed: its part is left out.")
        else:
            exporter = await stack.enter_async_context(running(asked.exporter, folder, folder / CERTIFICATE))
            for module, url in urls.items():
                contenders[f"{PROGRAM}, {module}"] = lambda module=module, url=url: exporter.run(module, url, asked.seconds)
        series = await _by_turns(contenders, asked.rounds)
    if asked.exporter is None:
        return []
    return [compare(f"probes, {each}", series, f"ours, {each}", f"{PROGRAM}, {each}", AIM) for each in urls]


async def _by_turns(contenders: dict[str, Callable[[], Awaitable[Run]]], rounds: int) -> dict[str, Series]:
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
            run = await contenders[name]()
            runs[name].append(run)
            print(f"  {name:<40} {run.per_second:>8,.0f}/s  {run.facts['cpu_us_all']:>6,} us of a core each", flush=True)
    return {name: Series(tuple(found)) for name, found in runs.items()}


def main() -> int:
    """0 when by processor time the aim is reached, or the exporter is absent; 1 when not; 2 when wrk is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.probes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exporter", default=shutil.which(PROGRAM), help="where the exporter's program is")
    asked = parser.parse_args()
    if asked.exporter is not None and shutil.which("wrk") is None:
        print("wrk is needed to ask the exporter: `apt-get install wrk`.")
        return 2
    for name, value in {**machine.facts(), "load_average": machine.load_average()}.items():
        print(f"{name}: {value}")
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        command = [sys.executable, "-m", "bench.probe_target", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as target:
            try:
                plain, secure = (int(port) for port in (target.stdout.readline() if target.stdout else "").split())
                found = uvloop.run(measure(asked, Path(folder), (plain, secure)))
            finally:
                target.terminate()
    for each in found:
        print(f"{each.name}: {each.ratio:.1f} times the rate, {each.effort:.1f} times by processor time (aim {AIM:.0f})")
    return 0 if all(each.effort >= AIM for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
