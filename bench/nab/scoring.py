"""NAB's scoring by its standard profile: files, the best threshold, and normalised: 0 is silent, 100 is perfect.

An alarm inside a labelled window earns by how early it comes, and only the best one of a window counts; a window without one
costs; every alarm outside costs, less so just behind a window. The first part of every file is for learning and is not scored.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from math import exp, floor

import msgspec

MISSED_COST = 1.0
FALSE_COST = 0.11
_LEARNING = 0.15
_LEARNING_ROWS = 5000
_STEEPNESS = 5.0
_FAR = 3.0


class Series(msgspec.Struct, frozen=True):
    """A file of the corpus: what a detector sees, and the labelled windows, which it never sees."""

    name: str
    instants: tuple[datetime, ...]
    values: tuple[float, ...]
    windows: tuple[tuple[datetime, datetime], ...]


class Row(msgspec.Struct, frozen=True):
    """What an alarm at one row would be worth; `window` is None outside of all of them."""

    window: int | None
    worth: float


class Point(msgspec.Struct, frozen=True):
    """A scored row: how anomalous the detector found it, and in which window of which file it lies."""

    score: float
    window: tuple[str, int] | None
    worth: float


def learning_rows(rows: int) -> float:
    """How many rows at the start are not scored."""
    return min(floor(_LEARNING * rows), _LEARNING * _LEARNING_ROWS)


def worths(series: Series) -> list[Row]:
    """What an alarm at each row would be worth."""
    spans = _spans(series)
    found: list[Row] = []
    current = 0
    for index in range(len(series.instants)):
        while current < len(spans) and index > spans[current][1]:
            current += 1
        if current < len(spans) and index >= spans[current][0]:
            found.append(Row(current, _inside(spans[current], index)))
        else:
            found.append(Row(None, FALSE_COST * _outside(spans[current - 1] if current else None, index)))
    return found


def points(series: Series, scores: Sequence[float]) -> list[Point]:
    """The rows that count, with the detector's scores beside what they are worth."""
    start = learning_rows(len(scores))
    return [
        Point(score, None if row.window is None else (series.name, row.window), row.worth)
        for index, (row, score) in enumerate(zip(worths(series), scores, strict=True))
        if index >= start
    ]


def raw_score(scored: Iterable[Point], threshold: float) -> float:
    """The sum over windows and false alarms when everything at or above the threshold is an alarm."""
    false, windows = 0.0, dict[tuple[str, int], float]()
    for point in scored:
        if point.window is None:
            false += point.worth if point.score >= threshold else 0.0
        else:
            earned = point.worth if point.score >= threshold else -MISSED_COST
            windows[point.window] = max(windows.get(point.window, -MISSED_COST), earned)
    return false + sum(windows.values())


def best_threshold(scored: Sequence[Point]) -> tuple[float, float]:
    """The threshold with the highest raw score, and that score; of equals the highest threshold."""
    windows = {point.window: -MISSED_COST for point in scored if point.window is not None}
    best, total = (float("inf"), sum(windows.values())), sum(windows.values())
    ordered = sorted(scored, key=lambda point: point.score, reverse=True)
    for threshold, alarms in groupby(ordered, key=lambda point: point.score):
        for alarm in alarms:
            if alarm.window is None:
                total += alarm.worth
            elif alarm.worth > windows[alarm.window]:
                total += alarm.worth - windows[alarm.window]
                windows[alarm.window] = alarm.worth
        if total > best[1] + 1e-9:
            best = (threshold, total)
    return best


def normalised(raw: float, series: Iterable[Series]) -> float:
    """0 for a detector that is silent, 100 for one that finds every window at once and nothing else."""
    found = list(series)
    silent = sum(raw_score(points(each, [0.0] * len(each.values)), 1.0) for each in found)
    perfect = sum(len(each.windows) for each in found)
    return 100 * (raw - silent) / (perfect - silent)


def _spans(series: Series) -> list[tuple[int, int]]:
    return [(series.instants.index(start), series.instants.index(end)) for start, end in series.windows]


def _inside(span: tuple[int, int], index: int) -> float:
    """1 at the left edge of a window, falling towards 0 at the right."""
    width = span[1] - span[0] + 1
    return _sigmoid(-(span[1] - index + 1) / width) / _sigmoid(-1.0)


def _outside(span: tuple[int, int] | None, index: int) -> float:
    """Down to -1: at once before the first window, by distance in widths of the window behind."""
    if span is None:
        return -1.0
    return _sigmoid((index - span[1]) / (span[1] - span[0]))


def _sigmoid(position: float) -> float:
    return -1.0 if position > _FAR else 2 / (1 + exp(_STEEPNESS * position)) - 1
