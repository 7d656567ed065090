"""What one run of a load yields, and what several rounds of paired runs say."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One load on one target. `per_second` counts answers of success only; latencies are in milliseconds, 0 when not measured.

    `facts` hold what else is known of it: `done` is the number of answers of success, `cpu_us_*` is processor time a request.
    """

    per_second: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    refused: int = 0
    facts: dict[str, int] = {}


class Series(msgspec.Struct, frozen=True):
    """The runs of one contender over all rounds."""

    runs: tuple[Run, ...]

    @property
    def per_second(self) -> float:
        return median(run.per_second for run in self.runs)

    @property
    def cpu_us(self) -> float:
        """Processor time of all that took part, microseconds a request; 0 when not measured."""
        return median(run.facts.get("cpu_us_all", 0) for run in self.runs)

    @property
    def p50_ms(self) -> float:
        return median(run.p50_ms for run in self.runs)

    @property
    def p99_ms(self) -> float:
        return median(run.p99_ms for run in self.runs)


class Comparison(msgspec.Struct, frozen=True):
    """`measured` against `base`, run by turns. `ratio` is the median over the rounds of the ratio within each round.

    `effort` is how much processor time a request of `base` took over one of `measured`: what the ratio would be on a machine
    that is busy with nothing else, as far as processors are the limit. 0 when not measured.
    """

    name: str
    measured: str
    base: str
    ratio: float
    ratios: tuple[float, ...]
    effort: float
    aim: float | None
    contenders: dict[str, Series]

    @property
    def reached(self) -> bool:
        return self.aim is None or self.ratio >= self.aim


Contender = Callable[[], Awaitable[Run]]


async def by_turns(contenders: Mapping[str, Contender], rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Runs all contenders once a round, the order reversed every other round, so that drift of the machine hits all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(contenders)[:: 1 if number % 2 == 0 else -1]
        for name in order:
            run = await contenders[name]()
            runs[name].append(run)
            latency = f"  p50 {run.p50_ms:.1f} ms  p99 {run.p99_ms:.1f} ms" if run.p99_ms else f"  mean {run.p50_ms:.1f} ms"
            if "cpu_us_all" in run.facts:
                parts = " ".join(f"{part} {run.facts[f'cpu_us_{part}']}" for part in ("server", "postgres", "load"))
                latency += f"  {run.facts['cpu_us_all']} us of processor: {parts}"
            say(f"  round {number + 1}  {name:<44} {run.per_second:>9,.0f}/s{latency}")
    return {name: Series(tuple(found)) for name, found in runs.items()}


def compare(name: str, series: Mapping[str, Series], measured: str, base: str, aim: float | None = None) -> Comparison:
    """Compares round by round: neighbours in time share the machine's mood, so their ratio is steadier than that of medians."""
    ratios = tuple(
        mine.per_second / theirs.per_second for mine, theirs in zip(series[measured].runs, series[base].runs, strict=True)
    )
    contenders = {each: series[each] for each in (measured, base)}
    effort = series[base].cpu_us / series[measured].cpu_us if series[measured].cpu_us else 0.0
    return Comparison(name, measured, base, median(ratios), ratios, effort, aim, contenders)


def spread(values: Sequence[float]) -> float:
    """Largest over smallest."""
    return max(values) / min(values)
