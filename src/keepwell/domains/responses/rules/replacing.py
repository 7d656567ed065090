"""What has to change in a response for it to say just what a whole resource says: the least that PATCH would be sent."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keepwell.domains.responses.models import Answers, Elements, Response, Rows
from keepwell.domains.responses.rules.merging import same


class Replacement(NamedTuple):
    """The change, as `PatchResponse` takes it; empty when there is none."""

    answers: Answers
    rows: Rows
    elements: Elements

    @property
    def empty(self) -> bool:
        return not (self.answers or self.rows or self.elements)


def replacement(state: Response, answers: Answers, rows: Rows, elements: Elements) -> Replacement:
    """The change after which `state` has these answers, rows and elements and no others."""
    named = {name: rows.get(name, ()) for name in _names(state.rows, rows) if rows.get(name, ()) != state.rows.get(name, ())}
    gone = tuple(f"{name}[{row}]." for name, ids in named.items() for row in state.rows.get(name, ()) if row not in ids)
    named = {name: ids for name, ids in named.items() if not name.startswith(gone)}
    changed = {
        address: answers.get(address)
        for address in _names(state.answers, answers)
        if not address.startswith(gone) and (address in named or not same(state.answers.get(address), answers.get(address)))
    }
    told = {
        name: elements.get(name)
        for name in _names(state.elements, elements)
        if not same(state.elements.get(name), elements.get(name))
    }
    return Replacement(changed, named, told)


def _names(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, None]:
    return dict.fromkeys((*one, *other))
