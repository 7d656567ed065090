"""What is unusual about how a key is used: explainable rules over counts, each of which says what it saw.

A key is first learnt for a day: until then everything is new. What is told twice is told in the same words, so that it can be
known to have been told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

Kind = Literal["new-operation", "new-network", "rate"]

LEARNING = timedelta(days=1)
_STEPS = (100, 50, 20, 10)
_LEAST_HOURS = 24
_LEAST_AMOUNT = 100


class Unusual(msgspec.Struct, frozen=True):
    """One thing that is unusual, in words, and when it began."""

    kind: Kind
    text: str
    at: datetime


class Seen(NamedTuple):
    """Something a key did or was used from, and when first."""

    name: str
    first_at: datetime


class Hour(NamedTuple):
    """How often a key was used in the hour that begins at `at`."""

    at: datetime
    amount: int


def unusual(operations: Iterable[Seen], networks: Iterable[Seen], hours: Sequence[Hour], since: datetime) -> list[Unusual]:
    """What was unusual from an instant on, the latest first."""
    firsts = _first(operations)
    found = [*_new(firsts, "new-operation", "first use of {}"), *_new(_first(networks), "new-network", "new address range {}")]
    found += _rates(sorted(hours))
    return sorted((each for each in found if each.at >= since), key=lambda each: each.at, reverse=True)


def _first(seen: Iterable[Seen]) -> dict[str, datetime]:
    """When each was first seen, through whatever door."""
    firsts: dict[str, datetime] = {}
    for each in seen:
        firsts[each.name] = min(each.first_at, firsts.get(each.name, each.first_at))
    return firsts


def _new(firsts: dict[str, datetime], kind: Kind, words: str) -> list[Unusual]:
    known = min(firsts.values(), default=None)
    if known is None:
        return []
    return [Unusual(kind, words.format(name), at) for name, at in firsts.items() if at >= known + LEARNING]


def _rates(hours: Sequence[Hour]) -> list[Unusual]:
    """Hours with many times the use of the usual one: the mean of the hours before in which there was any."""
    found: list[Unusual] = []
    total = 0
    for place, hour in enumerate(hours):
        # An hour beside another unusual one is measured by what was before both, or an outbreak would soon be usual.
        usual = total / place if place else 0.0
        step = next((step for step in _STEPS if usual and hour.amount >= step * usual), None)
        if step is not None and place >= _LEAST_HOURS and hour.amount >= _LEAST_AMOUNT:
            found.append(Unusual("rate", f"more than {step} times its usual hour, from {hour.at:%Y-%m-%dT%H:%MZ} on", hour.at))
            total += round(usual)
        else:
            total += hour.amount
    return found
