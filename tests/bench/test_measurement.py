"""Rounds, ratios and pages: the arithmetic of the bench."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench.comparisons import Findings, Load
from bench.measurement import Comparison, Run, Series, by_turns, compare
from bench.report import Result, markdown, write


def runner(name: str, rates: list[float], order: list[str]) -> Callable[[], Awaitable[Run]]:
    remaining = iter(rates)

    async def run() -> Run:
        order.append(name)
        return Run(next(remaining))

    return run


async def test_contenders_run_by_turns_and_swap_places_every_other_round() -> None:
    order: list[str] = []
    series = await by_turns({"a": runner("a", [1, 2, 3], order), "b": runner("b", [4, 5, 6], order)}, 3, lambda _: None)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [run.per_second for run in series["a"].runs] == [1, 2, 3]


def test_a_ratio_is_taken_within_rounds_so_that_a_slow_round_spoils_only_itself() -> None:
    series = {"mine": Series((Run(60), Run(6), Run(70))), "theirs": Series((Run(100), Run(10), Run(50)))}
    comparison = compare("x", series, "mine", "theirs", 0.7)
    assert (comparison.ratio, comparison.ratios, comparison.reached) == (0.6, (0.6, 0.6, 1.4), False)


def comparison(ratio: float, aim: float | None) -> Comparison:
    series = Series(
        (
            Run(1000, 1.5, 9.0, facts={"cpu_us_all": 110}),
            Run(3000, 2.5, 8.0, facts={"cpu_us_all": 90}),
            Run(2000, 3.5, 7.0, facts={"cpu_us_all": 100}),
        )
    )
    return Comparison("a. writes", "mine", "theirs", ratio, (ratio,), 0.9, aim, {"mine": series, "theirs": series})


@pytest.mark.parametrize(("ratio", "aim", "word"), [(0.7, 0.6, "reached"), (0.5, 0.6, "**missed**"), (0.5, None, "|  |")])
def test_the_page_says_medians_and_whether_the_aim_was_reached(ratio: float, aim: float | None, word: str) -> None:
    (row,) = [line for line in markdown(result(comparison(ratio, aim))).splitlines() if line.startswith("| a. writes")]
    assert "mine: 2,000/s, p50 2.5 ms, p99 8.0 ms, 100 µs of processor" in row
    assert word in row


def test_a_result_is_written_under_its_date_and_reads_back(tmp_path: Path) -> None:
    made = result(comparison(0.7, 0.6))
    page = write(made, tmp_path)
    assert page.name == "2026-03-04T0506Z.md"
    assert msgspec.json.decode(page.with_suffix(".json").read_bytes(), type=Result) == made


def result(*comparisons: Comparison) -> Result:
    machine = {
        "cores": 2,
        "processor": "a processor",
        "memory_gib": 8.0,
        "system": "Linux",
        "kernel": "6.1",
        "python": "3.11.9",
        "load_average": 0.5,
        "packages": {"uvloop": "0.22.0"},
    }
    return Result(datetime(2026, 3, 4, 5, 6, tzinfo=UTC), machine, Load(), Findings(comparisons, {"fsync": "on"}, 600))
