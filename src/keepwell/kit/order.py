"""Putting things after what they need."""

from collections import deque
from collections.abc import Mapping


def in_order(needs: Mapping[str, set[str]]) -> tuple[list[str], set[str]]:
    """The keys, each after all it needs; and those that stand in a circle, for which there is no such order."""
    waiting = {key: len(wanted) for key, wanted in needs.items()}
    needed_by: dict[str, list[str]] = {key: [] for key in needs}
    for key, wanted in needs.items():
        for other in wanted:
            needed_by[other].append(key)
    ready = deque(key for key, count in waiting.items() if count == 0)
    order: list[str] = []
    while ready:
        key = ready.popleft()
        order.append(key)
        for other in needed_by[key]:
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    return order, _circle(needs, needed_by, set(needs) - set(order))


def _circle(needs: Mapping[str, set[str]], needed_by: Mapping[str, list[str]], left: set[str]) -> set[str]:
    """Of the keys left over, those that one left over needs in turn: the others only hang on a circle."""
    uses = {key: sum(other in left for other in needed_by[key]) for key in left}
    loose = deque(key for key, count in uses.items() if count == 0)
    while loose:
        key = loose.popleft()
        left.discard(key)
        for other in needs[key] & left:
            uses[other] -= 1
            if uses[other] == 0:
                loose.append(other)
    return left
