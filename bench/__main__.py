"""`make bench`: the command path against its yardsticks, on servers of its own."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, report, stage, wrk
from bench.comparisons import PARTS, Bench, Load
from bench.machine import NotDurableError
from bench.nab import contest
from bench.stage import NotReadyError
from bench.wrk import LoadFailedError

_NO_WRK = "The bench needs the load generator wrk: `apt-get install wrk` on Debian and Ubuntu, `brew install wrk` on macOS."

_NAB = "nab"
_NAB_FILES = Path(__file__).parents[2] / "shared" / "data" / "nab"


def say(line: str) -> None:
    """One line of progress, at once."""
    print(line, flush=True)


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    usual = Load()
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="length of one run")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="rounds; every contender runs once in each")
    parser.add_argument("--clinics", type=int, default=usual.clinics, help="clinics in the comparison of many with one")
    parser.add_argument("--only", nargs="+", choices=(*PARTS, _NAB), default=list(PARTS), help="which comparisons")
    parser.add_argument("--nab", type=Path, default=_NAB_FILES, help="folder of NAB's files: data/ and labels.json")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the result files go")
    return parser.parse_args()


async def measure(asked: argparse.Namespace) -> report.Result:
    """Measures in a temporary folder that is gone afterwards."""
    load = Load(asked.seconds, asked.rounds, asked.clinics, tuple(asked.only))
    at = datetime.now(UTC)
    facts = {**machine.facts(), "load_average": machine.load_average()}
    with TemporaryDirectory(prefix="keepwell-bench-") as folder, stage.databases(Path(folder) / "data") as servers:
        findings = await Bench(servers, Path(folder), load, say).run()
    return report.Result(at, facts, load, findings)


def detect(files: Path) -> int:
    """The detector of anomalies alone: it needs no servers."""
    if not (files / "labels.json").is_file():
        say(f"The files of NAB are not at {files}: name their folder with --nab.")
        return 2
    contest.run(files, say)
    return 0


def main() -> int:
    """0 when every comparison ran, whatever the ratios; 1 when the load failed; 2 when something is missing."""
    asked = options()
    if _NAB in asked.only:
        return detect(asked.nab)
    if not wrk.installed():
        say(_NO_WRK)
        return 2
    try:
        result = asyncio.run(measure(asked))
    except (LoadFailedError, NotDurableError, NotReadyError) as error:
        say(f"The bench failed. {error}")
        return 1
    page = report.write(result, asked.results)
    say("")
    for line in report.table(result.findings.comparisons):
        say(line)
    say(f"\nWritten to {page.with_suffix('.json').name} and {page.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
