"""How large a GraphQL document is, told before it is validated or executed: nothing here takes longer than the document is long.

Fragments are counted as often as they are used, and measured once.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from keepwell.domains.graphql.errors import QUERY_INVALID, QUERY_TOO_COSTLY, QUERY_TOO_DEEP, QUERY_TOO_LONG, TOO_MANY_ALIASES
from keepwell.kernel.problems import Fault, Refusal

MOST_TOKENS = 5_000
MOST_FIELDS = 500
MOST_DEPTH = 8
MOST_ALIASES = 50
MOST_COST = 10_000
USUAL_PAGE = 100
LARGEST_PAGE = 1_000
_META = "__"


class Size(NamedTuple):
    """Of what is executed: levels of fields, fields with those of a list as often as the list may have items, and aliases."""

    depth: int = 0
    cost: int = 0
    aliases: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(max(self.depth, other.depth), self.cost + other.cost, self.aliases + other.aliases)


class _CircleError(Exception):
    """A fragment is inside itself."""


class _Scale:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any], lists: Collection[str]) -> None:
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._variables = variables
        self._lists = lists
        self._measured: dict[str, Size | None] = {}

    def weigh(self, selections: SelectionSetNode | None) -> Size:
        """Fields about the schema itself are left out: they are forbidden, or bounded by a rule of their own."""
        size = Size()
        for node in () if selections is None else selections.selections:
            if isinstance(node, FieldNode):
                if not node.name.value.startswith(_META):
                    size = size.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self.weigh(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                size = size.beside(self._fragment(node.name.value))
        return size

    def _field(self, node: FieldNode) -> Size:
        inside = self.weigh(node.selection_set)
        times = self._page(node) if node.name.value in self._lists else 1
        return Size(inside.depth + 1, 1 + times * inside.cost, inside.aliases + (node.alias is not None))

    def _fragment(self, name: str) -> Size:
        if name in self._measured:
            found = self._measured[name]
            if found is None:
                raise _CircleError
            return found
        fragment = self._fragments.get(name)
        self._measured[name] = None
        size = Size() if fragment is None else self.weigh(fragment.selection_set)
        self._measured[name] = size
        return size

    def _page(self, node: FieldNode) -> int:
        """How many items a list may answer with, as far as can be told: what is no number is refused later."""
        wanted: Any = USUAL_PAGE
        for argument in node.arguments or ():
            if argument.name.value == "limit":
                value = argument.value
                if isinstance(value, VariableNode):
                    wanted = self._variables.get(value.name.value)
                elif isinstance(value, IntValueNode):
                    wanted = int(value.value) if len(value.value) < 10 else LARGEST_PAGE
        return min(max(wanted, 1), LARGEST_PAGE) if isinstance(wanted, int) else LARGEST_PAGE


def refusal_for(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any], lists: Collection[str]
) -> Refusal | None:
    """Why an operation is too much; `lists` are the root fields that take a `limit`. None: it is not.

    It bounds what may be executed by what is written: fragments as often as they are used, lists as long as they may be.
    """
    if sum(1 for _ in _fields(document)) > MOST_FIELDS:
        return Refusal(QUERY_TOO_LONG, f"A document has at most {MOST_FIELDS} fields, and {MOST_TOKENS} tokens.")
    try:
        size = _Scale(document, variables, lists).weigh(operation.selection_set)
    except _CircleError:
        return Refusal(QUERY_INVALID, faults=(Fault("/query", "no-fragment-cycles", "A fragment contains itself."),))
    if size.depth > MOST_DEPTH:
        return Refusal(QUERY_TOO_DEEP, f"Fields nest at most {MOST_DEPTH} deep.")
    if size.aliases > MOST_ALIASES:
        return Refusal(
            TOO_MANY_ALIASES, f"A document has at most {MOST_ALIASES} aliases, those of fragments as often as these are used."
        )
    if size.cost > MOST_COST:
        return Refusal(
            QUERY_TOO_COSTLY, f"A document may cost {MOST_COST}: each field 1, those of a list as often as its `limit` says."
        )
    return None


def _fields(document: DocumentNode) -> Iterator[FieldNode]:
    """Every field as written."""
    waiting: list[Any] = list(document.definitions)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            yield node
        selections: SelectionSetNode | None = getattr(node, "selection_set", None)
        if selections is not None:
            waiting.extend(selections.selections)
