"""Packs the value sets of FHIR R4 that can be enumerated into one file beside the code that reads it.

    python scripts/r4-value-sets/pack.py <folder with the JSON bundles of R4>

Every value set becomes the codes it takes from each system; what only a terminology server could tell leaves it open.
"""

import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from keepwell.domains.validation.rules import standard
from keepwell.domains.validation.rules.valuesets import CodeSystem, names_of

BUNDLES = ("valuesets.json", "v3-codesystems.json", "v2-tables.json", "valuesets-medplum-generated.json")
TARGET = Path(standard.__file__).parent / "data" / standard.FILE
EPOCH = (1980, 1, 1, 0, 0, 0)


class System:
    """A code system: the names of each code, and the codes right above it."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.names: dict[str, tuple[str, ...]] = {}
        self.parents: dict[str, set[str]] = {}
        self.complete = resource.get("content") == "complete"
        for concept, parent in _walk(resource.get("concept", []), None):
            code = concept["code"]
            self.names[code] = names_of(concept)
            above = self.parents.setdefault(code, set())
            above |= {parent} if parent else set()
            above |= {one.get("valueCode", "") for one in concept.get("property", []) if one["code"] in ("subsumedBy", "parent")}

    def below(self, top: str) -> set[str]:
        """The code itself and all below it."""
        found, size = {top}, 0
        while len(found) > size:
            size = len(found)
            found |= {code for code, above in self.parents.items() if above & found}
        return found & set(self.names)


def _walk(concepts: list[dict[str, Any]], parent: str | None) -> Iterator[tuple[dict[str, Any], str | None]]:
    for concept in concepts:
        yield concept, parent
        yield from _walk(concept.get("concept", []), concept["code"])


class Packer:
    """All of R4's terminology at once, because value sets are made of each other."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self.systems = {one["url"]: System(one) for one in resources if one["resourceType"] == "CodeSystem" and "url" in one}
        self.sets = {one["url"]: one for one in resources if one["resourceType"] == "ValueSet" and "url" in one}
        self.named: dict[str, dict[str, tuple[str, ...]]] = {}
        self.busy: set[str] = set()

    def parts(self, url: str) -> tuple[standard.Part, ...] | None:
        """What each system gives to a value set; None when it cannot be told at all."""
        resource = self.sets.get(url.partition("|")[0])
        if resource is None or url in self.busy:
            return None
        self.busy.add(url)
        taken: dict[str, set[str]] = {}
        opened: set[str] = set()
        for include in resource.get("compose", {}).get("include", []):
            if not self._include(include, taken, opened):
                self.busy.discard(url)
                return None
        for exclude in resource.get("compose", {}).get("exclude", []):
            codes = self._codes(exclude)
            if codes is None:
                opened.add(exclude.get("system", ""))
                taken.pop(exclude.get("system", ""), None)
            else:
                taken[exclude["system"]] = taken.get(exclude["system"], set()) - codes
        self.busy.discard(url)
        return tuple(
            [standard.Part(system, self._tuple(system, codes)) for system, codes in sorted(taken.items()) if codes]
            + [standard.Part(system, (), open=True) for system in sorted(opened)]
        )

    def _tuple(self, system: str, codes: set[str]) -> tuple[str, ...] | None:
        known = self.systems.get(system)
        return None if known is not None and known.complete and codes == set(known.names) else tuple(sorted(codes))

    def _include(self, include: dict[str, Any], taken: dict[str, set[str]], opened: set[str]) -> bool:
        if "valueSet" in include:
            parts = self.parts(include["valueSet"][0]) if len(include["valueSet"]) == 1 and "system" not in include else None
            for part in parts or ():
                if part.open:
                    opened.add(part.system)
                else:
                    codes = set(self.systems[part.system].names) if part.codes is None else set(part.codes)
                    taken.setdefault(part.system, set()).update(codes)
            return parts is not None
        codes = self._codes(include)
        if codes is None:
            opened.add(include["system"])
        else:
            taken.setdefault(include["system"], set()).update(codes)
        return True

    def _codes(self, part: dict[str, Any]) -> set[str] | None:
        """The codes one include or exclude names; None when only a terminology server could tell."""
        system = self.systems.get(part.get("system", ""))
        if "concept" in part:
            names = self.named.setdefault(part["system"], {})
            for concept in part["concept"]:
                names[concept["code"]] = tuple(dict.fromkeys((*names.get(concept["code"], ()), *names_of(concept))))
            return {concept["code"] for concept in part["concept"]}
        if system is None or not system.complete:
            return None
        codes = set(system.names)
        for test in part.get("filter", []):
            if test["property"] != "concept" or test["op"] not in ("is-a", "descendent-of", "is-not-a"):
                return None
            below = system.below(test["value"])
            codes = codes - below if test["op"] == "is-not-a" else codes & below
            codes -= {test["value"]} if test["op"] == "descendent-of" else set()
        return codes

    def names(self, system: str) -> CodeSystem:
        """Every code of a system that is known, with its names."""
        known = dict(self.systems[system].names) if system in self.systems else {}
        for code, names in self.named.get(system, {}).items():
            known[code] = tuple(dict.fromkeys((*known.get(code, ()), *names)))
        return known


def write(packer: Packer, target: Path) -> int:
    """Writes the file, the same bytes for the same input, and says how many value sets are in it."""
    sets = {url: parts for url in sorted(packer.sets) if (parts := packer.parts(url))}
    systems = sorted({part.system for parts in sets.values() for part in parts if not part.open})
    entries = {system: f"systems/{number}.msgpack" for number, system in enumerate(systems)}
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        content = {entries[system]: dict(packer.names(system)) for system in systems}
        for name, value in {"sets.msgpack": standard.Packed(sets, entries), **content}.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, msgspec.msgpack.encode(value, order="sorted"))
    half.replace(target)
    return len(sets)


def main(folder: Path) -> None:
    """Reads the bundles and writes the file."""
    resources = [entry["resource"] for name in BUNDLES for entry in msgspec.json.decode((folder / name).read_bytes())["entry"]]
    count = write(Packer(resources), TARGET)
    sys.stdout.write(f"{count} value sets of FHIR R4 are in {TARGET.name} ({TARGET.stat().st_size // 1024} KiB).\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
