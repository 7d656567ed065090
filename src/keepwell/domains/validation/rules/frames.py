"""The instances of a response that items stand in: the response itself, a row of a group, an answer with items below it."""

from collections.abc import Mapping
from typing import Any, cast

from keepwell.domains.validation.models import Level, Node
from keepwell.domains.validation.rules.values import KEYS

Step = str | int
_NONE: frozenset[str] = frozenset()
_NOTHING: dict[str, Any] = {}
Given = tuple[str, Any]
"""The type and value of an answer."""


class Frame:
    """One instance: its items grouped by linkId as the form orders them; `odd` are the places of those that do not fit.

    `owner` is the item it belongs to; None for the response itself. `env` belongs to whoever runs expressions.
    `off` are the linkIds that are disabled here, `unsure` those of which that cannot be told.
    """

    __slots__ = (
        "_below",
        "_seen",
        "data",
        "env",
        "groups",
        "items",
        "level",
        "nodes",
        "odd",
        "off",
        "owner",
        "parent",
        "steps",
        "unsure",
    )

    def __init__(self, data: Mapping[str, Any], nodes: Level, parent: "Frame | None", steps: tuple[Step, ...]) -> None:
        self.data = data
        self.nodes = nodes
        self.parent = parent
        self.steps = steps
        self.level = 0 if parent is None else parent.level + 1
        self.env: Any = None
        self.owner: tuple[Node, Mapping[str, Any]] | None = None
        self._below: dict[tuple[Step, ...], Frame] | None = None
        self._seen: dict[tuple[str, ...], list[Given]] | None = None
        items: Any = data.get("item")
        self.items = cast("list[Any]", items) if isinstance(items, list) else []
        self.groups: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.odd: list[int] = []
        self.off: frozenset[str] | set[str] = _NONE
        self.unsure: frozenset[str] | set[str] = _NONE
        self._group()

    def _group(self) -> None:
        places, groups, last = self.nodes.places, self.groups, -1
        for index, item in enumerate(self.items):
            own = item if item.__class__ is dict else _NOTHING
            link_id: Any = own.get("linkId")
            place = places.get(link_id) if isinstance(link_id, str) else None
            if place is None:
                self.odd.append(index)
                continue
            if place < last:
                self.odd.append(index)
            last = place
            found = groups.get(link_id)
            if found is None:
                groups[link_id] = [(index, own)]
            else:
                found.append((index, own))

    def pointer(self, *steps: Step) -> str:
        """The JSON pointer to a place below this instance."""
        parts = [str(step) for step in steps]
        frame: Frame | None = self
        while frame is not None:
            parts[:0] = [str(step) for step in frame.steps]
            frame = frame.parent
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)

    def expression(self, *steps: Step) -> str:
        """The FHIRPath to a place below this instance."""
        parts: list[Step] = list(steps)
        frame: Frame | None = self
        while frame is not None:
            parts[:0] = frame.steps
            frame = frame.parent
        found = "QuestionnaireResponse"
        for part in parts:
            if isinstance(part, int):
                found += f"[{part}]"
            else:
                found += f".value.ofType({KEYS[part]})" if part in KEYS else f".{part}"
        return found

    def inside(self, node: Node, index: int, item: Mapping[str, Any]) -> "list[Frame]":
        """The instances that the items below one item stand in: the item of a group, each answer of a question."""
        if node.group:
            return [self._child(item, node, item, ("item", index))]
        answers: Any = item.get("answer")
        if not isinstance(answers, list):
            return []
        return [
            self._child(cast("dict[str, Any]", answer), node, item, ("item", index, "answer", place))
            for place, answer in enumerate(cast("list[Any]", answers))
            if isinstance(answer, dict) and (node.children.nodes or "item" in answer)
        ]

    def _child(self, data: Mapping[str, Any], node: Node, item: Mapping[str, Any], steps: tuple[Step, ...]) -> "Frame":
        if self._below is None:
            self._below = {}
        found = self._below.get(steps)
        if found is None:
            found = self._below[steps] = Frame(data, node.children, self, steps)
            found.owner = (node, item)
        return found

    def ancestor(self, level: int) -> "Frame":
        """The instance around this one, or itself, that stands at this level."""
        frame = self
        while frame.level > level and frame.parent is not None:
            frame = frame.parent
        return frame

    def answers(self, path: tuple[str, ...]) -> list[Given]:
        """All answers to the question at the end of these linkIds within this instance; those of disabled items do not count."""
        if self._seen is None:
            self._seen = {}
        found = self._seen.get(path)
        if found is None:
            found = self._seen[path] = self._look(path)
        return found

    def _look(self, path: tuple[str, ...]) -> list[Given]:
        frames = [self]
        for link_id in path[:-1]:
            frames = [below for frame in frames for below in frame.enabled_below(link_id)]
        last = path[-1]
        return [
            given
            for frame in frames
            if last not in frame.off
            for _, item in frame.groups.get(last, ())
            for given in given_by(item)
        ]

    def enabled_below(self, link_id: str) -> "list[Frame]":
        """The instances below the items with this linkId, unless they are disabled."""
        if link_id in self.off or link_id not in self.groups:
            return []
        node = self.nodes.nodes[self.nodes.places[link_id]]
        return [below for index, item in self.groups[link_id] for below in self.inside(node, index, item)]


def given_by(item: Mapping[str, Any]) -> list[Given]:
    """The types and values of an item's answers."""
    answers: Any = item.get("answer")
    if not isinstance(answers, list):
        return []
    found: list[Given] = []
    for answer in cast("list[Any]", answers):
        if answer.__class__ is dict:
            for key, value in answer.items():
                type_ = KEYS.get(key)
                if type_ is not None:
                    found.append((type_, value))
    return found
