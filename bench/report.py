"""The dated result: a JSON file with everything, and a short page to read."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.comparisons import Findings, Load
from bench.measurement import Comparison

RESULTS = Path(__file__).parent / "results"


class Result(msgspec.Struct, frozen=True):
    """One bench on one machine."""

    at: datetime
    machine: dict[str, Any]
    load: Load
    findings: Findings


def write(result: Result, folder: Path = RESULTS) -> Path:
    """Writes both files, named by date and time in UTC, and returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{result.at:%Y-%m-%dT%H%MZ}"
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=1)
    (folder / f"{stem}.json").write_bytes(encoded + b"\n")
    page = folder / f"{stem}.md"
    page.write_text(markdown(result), encoding="utf-8")
    return page


def markdown(result: Result) -> str:
    """The page."""
    machine, load, findings = result.machine, result.load, result.findings
    lines = [
        f"# Bench of {result.at:%Y-%m-%d %H:%M} UTC",
        "",
        f"Medians of {load.rounds} rounds of {load.seconds:g} s, contenders by turns; ratios are medians of the rounds' ratios.",
        "Two server processes; load generator, PostgreSQL and server share the machine.",
        "By processor time: what a request of the other takes of all of them together, over what one of ours takes.",
        f"Stored state: {findings.state_bytes} bytes.",
        "",
        *table(findings.comparisons),
        "",
        f"Machine: {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB.",
        f"System: {machine['system']} {machine['kernel']}, Python {machine['python']}; load before {machine['load_average']}.",
        f"PostgreSQL: {_listed(findings.postgres)}.",
        f"Packages: {_listed(machine['packages'])}.",
        "",
    ]
    return "\n".join(lines)


def table(comparisons: tuple[Comparison, ...]) -> list[str]:
    """One line a comparison."""
    lines = ["| | measured | against | ratio | rounds | by processor time | aim |", "|---|---|---|---|---|---|---|"]
    for each in comparisons:
        measured, base = (f"{name}: {_rate(each, name)}" for name in (each.measured, each.base))
        rounds = " ".join(f"{ratio:.2f}" for ratio in each.ratios)
        aim = "" if each.aim is None else f"≥ {each.aim:g} {'reached' if each.reached else '**missed**'}"
        lines.append(f"| {each.name} | {measured} | {base} | **{each.ratio:.2f}** | {rounds} | {each.effort:.2f} | {aim} |")
    return lines


def _rate(comparison: Comparison, name: str) -> str:
    series = comparison.contenders[name]
    latency = f", p50 {series.p50_ms:.1f} ms, p99 {series.p99_ms:.1f} ms" if series.p99_ms else ""
    return f"{series.per_second:,.0f}/s{latency}, {series.cpu_us:.0f} µs of processor"


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
