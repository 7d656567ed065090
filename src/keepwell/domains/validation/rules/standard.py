"""The value sets of FHIR R4 itself, read from the one file that `scripts/value-sets` packs when the environment is made.

Where that file is absent no standard value set can be had, and answers bound to one draw a warning.
"""

import zipfile
from functools import lru_cache
from importlib.resources import as_file, files
from io import BytesIO

import msgspec

from keepwell.domains.validation.models import ValueSet
from keepwell.domains.validation.rules.valuesets import CodeSystem

FILE = "r4-value-sets.zip"
_SETS, _SYSTEMS = "sets.msgpack", "systems/"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What one system gives to a packed value set: these codes, or all when `codes` is None, or some that nobody knows."""

    system: str
    codes: tuple[str, ...] | None = None
    open: bool = False


class Packed(msgspec.Struct, frozen=True):
    """The file's index: value sets by canonical, and for each code system the entry that holds its codes."""

    sets: dict[str, tuple[Part, ...]]
    systems: dict[str, str]


@lru_cache(maxsize=1)
def _archive() -> tuple[zipfile.ZipFile, Packed] | None:
    with as_file(files("keepwell.domains.validation.rules") / "data" / FILE) as path:
        if not path.exists():
            return None
        archive = zipfile.ZipFile(BytesIO(path.read_bytes()))
        return archive, msgspec.msgpack.decode(archive.read(_SETS), type=Packed)


@lru_cache(maxsize=256)
def code_system(url: str) -> CodeSystem | None:
    """All the codes of a system of R4, with their names; None when it is not in the file."""
    opened = _archive()
    entry = None if opened is None else opened[1].systems.get(url)
    if opened is None or entry is None:
        return None
    return msgspec.msgpack.decode(opened[0].read(entry), type=dict[str, tuple[str, ...]])


@lru_cache(maxsize=512)
def value_set(canonical: str) -> ValueSet | None:
    """A value set of R4 by its canonical, with or without version; None when it is not in the file."""
    opened = _archive()
    parts = None if opened is None else opened[1].sets.get(canonical.partition("|")[0])
    if parts is None:
        return None
    codes: dict[str, CodeSystem] = {}
    for part in parts:
        known = code_system(part.system) or {}
        if not part.open:
            codes[part.system] = known if part.codes is None else {code: known.get(code, ()) for code in part.codes}
    return ValueSet(canonical, codes, frozenset(part.system for part in parts if part.open))


def available() -> bool:
    """Whether the file is there."""
    return _archive() is not None
