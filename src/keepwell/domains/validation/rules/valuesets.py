"""Value sets: what a FHIR R4 ValueSet resource enumerates, and whether a code belongs to one as far as can be told.

What cannot be enumerated here (a whole terminology, a filter, another value set) leaves the set open for that system: a code
of it may or may not belong, which is never an error. Codes of other systems do not belong.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, cast

from keepwell.domains.validation.models import Membership, ValueSet, ValueSets
from keepwell.kit.fhir.limits import MAX_EXPANSION

CodeSystem = Mapping[str, tuple[str, ...]]
"""The codes of a system, each with its names, most preferred first."""
CodeSystems = Callable[[str], CodeSystem | None]
"""Finds all the codes of a system; None when they cannot be had."""

ANY = "*"
_GRAMMARS = {
    "urn:iso:std:iso:3166": r"[A-Z]{2,3}|\d{3}",
    "urn:iso:std:iso:3166:-2": r"[A-Z]{2}-[A-Z0-9]{1,3}",
    "http://unstats.un.org/unsd/methods/m49/m49.htm": r"\d{3}",
    "urn:iso:std:iso:4217": r"[A-Z]{3}",
    "urn:ietf:bcp:47": r"[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8})*",
    "urn:ietf:bcp:13": r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/.+",
    "http://snomed.info/sct": r"\d{6,18}",
    "http://loinc.org": r"[A-Za-z]{0,2}\d{1,8}-\d",
    "http://unitsofmeasure.org": r"[!-~]+",
}
_SHAPES = {system: re.compile(pattern, re.ASCII) for system, pattern in _GRAMMARS.items()}
"""How the codes of systems that are not enumerated here look: what looks otherwise is none."""


def membership(values: ValueSet, system: str | None, code: str, name: str | None) -> Membership:
    """Whether a Coding is in the set. One that names itself by words that are not its code's is misnamed.

    A Coding without a system means nothing, and is in no set but by chance: it counts as a stranger.
    """
    names = None if system is None else values.codes.get(system, {}).get(code)
    if system is not None and (system, code) in values.excluded:
        return Membership.STRANGER
    if names is not None:
        if name is None or not names or _folded(name) in {_folded(one) for one in names}:
            return Membership.MEMBER
        return Membership.MISNAMED
    return Membership.UNKNOWN if system is not None and _possible(values, system, code) else Membership.STRANGER


def contains_code(values: ValueSet, code: str) -> Membership:
    """Whether a bare text is the code of any member."""
    if any(code in codes and (system, code) not in values.excluded for system, codes in values.codes.items()):
        return Membership.MEMBER
    return Membership.UNKNOWN if any(_possible(values, system, code) for system in values.open) else Membership.STRANGER


def _possible(values: ValueSet, system: str, code: str) -> bool:
    if system not in values.open and ANY not in values.open:
        return False
    shape = _SHAPES.get(system)
    return shape is None or shape.fullmatch(code) is not None


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def compile_value_set(
    resource: Mapping[str, Any], systems: CodeSystems, others: ValueSets, most: int = MAX_EXPANSION
) -> ValueSet:
    """What a ValueSet resource says, at most so many codes of it. Whatever is malformed leaves the set open."""
    url = resource.get("url")
    builder = _Builder(url if isinstance(url, str) else None, systems, others, most)
    compose = resource.get("compose")
    if isinstance(compose, dict):
        builder.compose(cast("dict[str, Any]", compose))
    elif isinstance(resource.get("expansion"), dict):
        builder.expansion(cast("dict[str, Any]", resource["expansion"]))
    else:
        builder.open.add(ANY)
    return builder.done()


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]


def names_of(concept: Mapping[str, Any]) -> tuple[str, ...]:
    """The display of a concept and its designations in other languages or uses."""
    found = [concept.get("display"), *(one.get("value") for one in _dictionaries(concept.get("designation")))]
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str)))


class _Builder:
    def __init__(self, url: str | None, systems: CodeSystems, others: ValueSets, most: int) -> None:
        self.url = url
        self.systems = systems
        self.others = others
        self.codes: dict[str, dict[str, tuple[str, ...]]] = {}
        self.open: set[str] = set()
        self.excluded: set[tuple[str, str]] = set()
        self.left = most

    def done(self) -> ValueSet:
        return ValueSet(self.url, self.codes, frozenset(self.open), frozenset(self.excluded))

    def add(self, system: str, codes: CodeSystem) -> None:
        """Adds codes as long as there is room; without, the system is open."""
        if len(codes) > self.left:
            self.open.add(system)
        taken = dict(islice(codes.items(), self.left))
        self.left -= len(taken)
        if self.codes.setdefault(system, taken) is not taken:
            self.codes[system] = {**self.codes[system], **taken}

    def compose(self, compose: Mapping[str, Any]) -> None:
        for part in _dictionaries(compose.get("include")):
            self.include(part)
        for part in _dictionaries(compose.get("exclude")):
            self.exclude(part)

    def include(self, part: Mapping[str, Any]) -> None:
        system = part.get("system")
        canonicals: Any = part.get("valueSet")
        if isinstance(canonicals, list):
            self.include_others([str(one) for one in cast("list[Any]", canonicals)], system)
        elif not isinstance(system, str):
            self.open.add(ANY)
        else:
            codes = self.enumerated(part, system)
            if codes is None:
                self.open.add(system)
            else:
                self.add(system, codes)

    def include_others(self, canonicals: list[str], system: Any) -> None:
        """Another set as a whole; an intersection of several, or with a system, is not worked out."""
        other = self.others(canonicals[0]) if len(canonicals) == 1 and system is None else None
        if other is None:
            self.open.add(system if isinstance(system, str) else ANY)
            return
        for name, codes in other.codes.items():
            self.add(name, {code: names for code, names in codes.items() if (name, code) not in other.excluded})
        self.open |= other.open

    def enumerated(self, part: Mapping[str, Any], system: str) -> CodeSystem | None:
        """The codes one include lists, or all of its system; None when only a terminology server could tell."""
        known = self.systems(system)
        concepts = part.get("concept")
        if isinstance(concepts, list):
            return {
                concept["code"]: (*names_of(concept), *(known or {}).get(concept["code"], ()))
                for concept in _dictionaries(cast("Any", concepts))
                if isinstance(concept.get("code"), str)
            }
        return None if part.get("filter") else known

    def exclude(self, part: Mapping[str, Any]) -> None:
        system = part.get("system")
        codes = self.enumerated(part, system) if isinstance(system, str) and "valueSet" not in part else None
        if isinstance(system, str) and codes is not None:
            self.excluded |= {(system, code) for code in codes}
            return
        # Which codes are taken away cannot be told: those of this system are no longer sure members.
        for name in [system] if isinstance(system, str) else list(self.codes):
            self.open.add(name)
            self.codes.pop(name, None)

    def expansion(self, expansion: Mapping[str, Any]) -> None:
        work = _dictionaries(expansion.get("contains"))
        while work and self.left > 0:
            one = work.pop()
            work += _dictionaries(one.get("contains"))
            system, code = one.get("system"), one.get("code")
            if isinstance(code, str) and isinstance(system, str) and one.get("abstract") is not True:
                self.add(system, {code: names_of(one)})
        if work or any(one.get("url", "").endswith("toocostly") for one in _dictionaries(expansion.get("extension"))):
            self.open.add(ANY)
