"""Which path is meant: a tree of segments, so that finding one takes as many steps as the path has, however many there are.

Fixed segments win over parameters: `/v1/responses/bulk` is itself, not the response called `bulk`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from uuid import UUID

from keepwell.kernel.problems import NOT_FOUND, Refusal, Refused
from keepwell.kit.ids import parse_id

Found = TypeVar("Found")
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


class _Node(Generic[Found]):
    __slots__ = ("fixed", "names", "parameter", "value")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[Found]] = {}
        self.parameter: _Node[Found] | None = None
        self.value: Found | None = None
        self.names: tuple[str, ...] = ()


class Paths(Generic[Found]):
    """Maps path templates such as `/v1/responses/{id}` to values. A parameter is one whole segment, never empty."""

    def __init__(self) -> None:
        self._root: _Node[Found] = _Node()

    def add(self, template: str, value: Found) -> None:
        """Raises:
        ValueError: the template has parameters inside a segment, or leads where another one leads already.
        """
        node = self._root
        names: list[str] = []
        for segment in template.split("/"):
            match = _PARAMETER.fullmatch(segment)
            if match is not None:
                names.append(match[1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            elif "{" in segment:
                raise ValueError(f"{template}: a parameter is a whole segment, of lower-case letters")
            else:
                node = node.fixed.setdefault(segment, _Node())
        if node.value is not None:
            raise ValueError(f"{template} leads where another path leads")
        node.value, node.names = value, tuple(names)

    def find(self, path: str) -> tuple[Found, dict[str, str]] | None:
        """What the path leads to, and its parameters."""
        return self._walk(self._root, path.split("/"), 0, [])

    def _walk(self, node: _Node[Found], segments: list[str], at: int, values: list[str]) -> tuple[Found, dict[str, str]] | None:
        while at < len(segments):
            segment = segments[at]
            at += 1
            parameter = node.parameter
            fixed = node.fixed.get(segment)
            if fixed is not None:
                if parameter is not None and segment:  # the only place to come back to when the fixed way ends nowhere
                    found = self._walk(fixed, segments, at, values.copy())
                    if found is not None:
                        return found
                else:
                    node = fixed
                    continue
            if parameter is None or not segment:
                return None
            values.append(segment)
            node = parameter
        return None if node.value is None else (node.value, dict(zip(node.names, values, strict=True)))


class Secrets:
    """Paths that hold a credential: what begins like one is told with the parameter's name in its place, and ends there."""

    def __init__(self, templates: Iterable[tuple[str, str]]) -> None:
        """Templates, each with the name of its secret parameter."""
        self._beginnings: list[list[str]] = []
        for template, name in templates:
            before, parameter, _ = template.partition(f"{{{name}}}")
            self._beginnings.append((before + parameter).split("/"))

    def concealed(self, path: str) -> str | None:
        """How a path that holds a secret is told, also where nothing is at it; None: it holds none."""
        segments = path.split("/")
        for beginning in self._beginnings:
            if len(segments) >= len(beginning) and all(map(_fits, beginning, segments)):
                return "/".join(beginning)
        return None


def _fits(declared: str, given: str) -> bool:
    return declared == given or _PARAMETER.fullmatch(declared) is not None


def path_id(path: Mapping[str, str]) -> UUID:
    """The `{id}` of a path.

    Raises:
        Refused: `not-found`, because nothing has such an id.
    """
    found = parse_id(path["id"])
    if found is None:
        raise Refused(Refusal(NOT_FOUND))
    return found
