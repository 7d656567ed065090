"""The files of the corpus that are at hand: values and instants as CSV, labelled windows as JSON beside them."""

import csv
from datetime import datetime
from pathlib import Path

import msgspec

from bench.nab.scoring import Series


def load(folder: Path) -> list[Series]:
    """Every file, in the order of their names."""
    windows = msgspec.json.decode((folder / "labels.json").read_bytes(), type=dict[str, list[tuple[str, str]]])
    data = folder / "data"
    return [_read(path, str(path.relative_to(data)), windows) for path in sorted(data.glob("*/*.csv"))]


def halves(corpus: list[Series]) -> tuple[list[Series], list[Series]]:
    """By turns in the order of names, so that both halves hold some of every kind."""
    return corpus[::2], corpus[1::2]


def _read(path: Path, name: str, windows: dict[str, list[tuple[str, str]]]) -> Series:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [(datetime.fromisoformat(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    labelled = tuple((datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in windows.get(name, []))
    return Series(name, tuple(instant for instant, _ in rows), tuple(value for _, value in rows), labelled)
