"""Which items of a response are enabled, and which groups and rows have something in them."""

from collections.abc import Iterable

from keepwell.domains.questionnaires import Condition, Definition, Item
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Address, prefix
from keepwell.domains.responses.rules.conditions import holds

Instance = tuple[str, tuple[str, ...]]
"""A linkId, and the rows around it. For one row of a repeating group the rows include its own."""


class Filled:
    """A form with answers in it: where its items stand, row by row, and which of them are enabled."""

    def __init__(self, definition: Definition, answers: Answers, rows: Rows) -> None:
        self.definition = definition
        self.answers = answers
        self._rows = rows
        self._paths: dict[tuple[str, ...], list[tuple[str, ...]]] = {(): [()]}
        self._seen: dict[tuple[int, tuple[str, ...]], bool] = {}
        self.enabled: set[Instance] = set()
        # In this order everything an item depends on is known before it: no recursion, however long the chain.
        for link_id in definition.order:
            item = definition.items[link_id]
            self.enabled.update((link_id, path) for path in self.paths(item.groups) if self._enabled(item, path))

    def paths(self, groups: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Every combination of rows inside these groups, outermost group first."""
        found = self._paths.get(groups)
        if found is None:
            outer = groups[:-1]
            found = [(*path, row) for path in self.paths(outer) for row in self._rows.get(prefix(outer, path) + groups[-1], ())]
            self._paths[groups] = found
        return found

    def _enabled(self, item: Item, path: tuple[str, ...]) -> bool:
        if item.parent is not None:
            parent = self.definition.items[item.parent]
            if (item.parent, path[: len(parent.groups)]) not in self.enabled:
                return False
        if not item.conditions:
            return True
        met = (self._met(item, condition, path) for condition in item.conditions)
        return any(met) if item.any_condition else all(met)

    def _met(self, item: Item, condition: Condition, path: tuple[str, ...]) -> bool:
        """The item looked at is sought in the rows that both share; where it has rows of its own, any of them counts."""
        target = self.definition.items[condition.question]
        shared = 0
        while shared < min(len(item.groups), len(target.groups)) and item.groups[shared] == target.groups[shared]:
            shared += 1
        key = (id(condition), path[:shared])
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = holds(condition, list(self._answers_of(target, path[:shared])))
        return found

    def _answers_of(self, target: Item, shared: tuple[str, ...]) -> Iterable[object]:
        """All answers to an item inside these rows. What a disabled item still holds does not count."""
        inside = [shared] if len(shared) == len(target.groups) else self.paths(target.groups)
        for path in inside:
            if path[: len(shared)] == shared and (target.link_id, path) in self.enabled:
                value = self.answers.get(prefix(target.groups, path) + target.link_id)
                yield from value if isinstance(value, list) else [] if value is None else [value]


def filled_instances(definition: Definition, addresses: Iterable[Address]) -> set[Instance]:
    """The items that are answered, and every item, group and row around them."""
    present: set[Instance] = set()
    for address in addresses:
        item, path = address
        instance = (item.link_id, path)
        while instance not in present:
            present.add(instance)
            if len(path) > len(item.groups):  # a row of a repeating group: the group itself comes next
                path = path[:-1]
                instance = (item.link_id, path)
            elif item.parent is not None:
                item = definition.items[item.parent]
                instance = (item.link_id, path)
    return present
