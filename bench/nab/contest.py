"""The detector of anomalies by NAB's standard profile: `python -m bench --only nab`.

The threshold is chosen on one half of the files and scored on the other, both ways; the detector is handed instants and values,
never a window.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

from bench.nab import corpus
from bench.nab.scoring import Point, Series, best_threshold, normalised, points, raw_score
from keepwell.domains.anomalies import begin

AIM = 70.0


def detect(series: Series) -> list[float]:
    """What the detector says of each value, in order; it is handed instants and values and nothing else."""
    detector = begin()
    return [detector.observe(instant, value).score for instant, value in zip(series.instants, series.values, strict=True)]


def score(files: Sequence[Series], scored: dict[str, list[Point]], threshold: float) -> float:
    """From 0 to 100 on these files."""
    return normalised(sum(raw_score(scored[each.name], threshold) for each in files), files)


def choose(files: Sequence[Series], scored: dict[str, list[Point]]) -> float:
    """The threshold that scores best on these files."""
    return best_threshold([point for each in files for point in scored[each.name]])[0]


def run(folder: Path, say: Callable[[str], None]) -> float:
    """Says the scores and gives the mean of the two halves, each by the threshold of the other."""
    files = corpus.load(folder)
    start = process_time()
    scored = {each.name: points(each, detect(each)) for each in files}
    spent = process_time() - start
    values = sum(len(each.values) for each in files)
    say(
        f"{len(files)} files, {sum(len(each.windows) for each in files)} windows, {values} values, {values / spent:,.0f} a second"
    )
    halves, found = corpus.halves(files), list[float]()
    for name, chosen, rest in (("first", *halves), ("second", *reversed(halves))):
        threshold = choose(chosen, scored)
        found.append(score(rest, scored, threshold))
        own = score(chosen, scored, threshold)
        say(f"threshold {threshold:.2f} of the {name} half: {own:.1f} there, {found[-1]:.1f} on the rest")
    say(f"on the rest, both ways: {sum(found) / 2:.1f} (aim {AIM:.0f})")
    built_in = begin().sense.threshold
    say(f"threshold {built_in:.2f} as built in, all files: {score(files, scored, built_in):.1f}")
    return sum(found) / 2
