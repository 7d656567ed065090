"""What results of checks mean for a monitor: one verdict an instant, in the order of instants, whatever order they came in. Pure.

An instant is judged as soon as no vote that is still to come could change the verdict, and only after all instants before it.
So the transitions follow from the set of votes alone: a vote that comes late, or twice, or before an earlier one makes no other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from keepwell.domains.checks.models import MonitorState, Transition, Vote

REMEMBERED = 20
"""Verdicts that flapping is told from, as in Icinga 2."""
_LIGHTEST, _HEAVIEST = 0.8, 1.15
_BEGINS, _ENDS = 0.30, 0.25
PARENT_DOWN, DELETED = "parent-down", "deleted"


class Verdict(msgspec.Struct, frozen=True):
    """What an instant says; `nothing`: too few votes to say anything."""

    status: Literal["up", "down", "suspended", "nothing"]
    reason: str | None = None


def verdict(votes: Sequence[Vote], quorum: int) -> Verdict | None:
    """What the votes of one instant say; None while those still to come decide.

    It is down when `quorum` regions say so (all of them, where there are fewer), and up when one does and too few say otherwise.
    """
    by_status = Counter(vote.status for vote in votes)
    needed = max(1, min(quorum, len(votes)))
    if by_status["down"] >= needed:
        return Verdict("down", _commonest(votes, "down"))
    if by_status["down"] + by_status["pending"] < needed and by_status["up"]:
        return Verdict("up")
    if by_status["pending"]:
        return None
    if by_status["up"]:
        return Verdict("up")
    return Verdict("suspended", _commonest(votes, "suspended")) if by_status["suspended"] else Verdict("nothing")


def decide(
    state: MonitorState, votes: Iterable[Vote], quorum: int, fresh: Callable[[], UUID], *, parent_down: bool = False
) -> tuple[MonitorState, list[Transition]]:
    """The state after all instants that can be judged now, and the transitions on the way there, each under a fresh id."""
    transitions: list[Transition] = []
    late = (vote for vote in votes if vote.at > state.settled_at)
    for at, group in groupby(sorted(late, key=_order), key=lambda vote: vote.at):
        found = verdict(_distinct(group), quorum)
        if found is None:
            break
        if parent_down and found.status == "down":
            found = Verdict("suspended", PARENT_DOWN)
        state, transition = _apply(state, at, found, fresh)
        transitions += [] if transition is None else [transition]
    return state, transitions


def flapping(changes: int, *, already: bool) -> bool:
    """Whether the last verdicts changed too often: newer changes weigh more, and it ends at fewer changes than it began at."""
    step = (_HEAVIEST - _LIGHTEST) / (REMEMBERED - 1)
    weight = sum(_HEAVIEST - step * place for place in range(REMEMBERED) if changes >> place & 1)
    return weight / REMEMBERED > (_ENDS if already else _BEGINS)


def _apply(
    state: MonitorState, at: datetime, found: Verdict, fresh: Callable[[], UUID]
) -> tuple[MonitorState, Transition | None]:
    settled = replace(state, settled_at=at)
    if found.status == "nothing":
        return settled, None
    if found.status == "suspended":
        return _suspend(settled, at, found, fresh)
    changed = found.status != state.status
    changes = (state.changes << 1 | (changed and state.status != "unknown")) & (1 << REMEMBERED) - 1
    settled = replace(settled, changes=changes, flapping=flapping(changes, already=state.flapping), suspended=None)
    if not changed and state.suspended is None:
        return settled, None
    id_ = fresh()
    opens, ends = changed and found.status == "down", changed and state.status == "down"
    transition = Transition(
        id_,
        at,
        state.status,
        found.status,
        found.reason,
        None,
        settled.flapping,
        id_ if opens else state.incident if ends else None,
    )
    if changed:
        incident = id_ if opens else None
        settled = replace(settled, status=found.status, since=at, reason=found.reason, incident=incident)
    return settled, transition


def _suspend(
    state: MonitorState, at: datetime, found: Verdict, fresh: Callable[[], UUID]
) -> tuple[MonitorState, Transition | None]:
    """Nothing is concluded any more. An outage lasts on meanwhile; only of what was deleted nobody will ever see the end."""
    if state.suspended == found.reason:
        return state, None
    after = "unknown" if found.reason == DELETED else state.status
    ended = state.incident if after != state.status else None
    transition = Transition(fresh(), at, state.status, after, found.reason, found.reason, state.flapping, ended)
    state = replace(state, suspended=found.reason)
    if after != state.status:
        state = replace(state, status=after, since=at, reason=found.reason, incident=None)
    return state, transition


def _order(vote: Vote) -> tuple[datetime, str]:
    return vote.at, vote.region


def _distinct(votes: Iterable[Vote]) -> list[Vote]:
    """One vote a region; what was said counts more than that something is still to come."""
    by_region: dict[str, Vote] = {}
    for vote in votes:
        if vote.region not in by_region or by_region[vote.region].status == "pending":
            by_region[vote.region] = vote
    return list(by_region.values())


def _commonest(votes: Sequence[Vote], status: str) -> str | None:
    """The reason most regions give; of equally common ones the first by name."""
    reasons = Counter(vote.reason or "" for vote in votes if vote.status == status)
    reason = min(reasons, key=lambda word: (-reasons[word], word))
    return reason or None
