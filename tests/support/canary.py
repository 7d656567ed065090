"""Canaries: values that exist nowhere else, planted where health information goes, and a scanner that knows them again.

A canary is found in plain form, in hexadecimal, in base64 at any of its three alignments, and in UTF-16: whatever a log
formatter, a dump or a careless cache would make of it. Numbers and dates cannot carry a mark; each is looked for by itself.
"""

import base64
import random
import string
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MARK = "Kwcanaryq"
"""Begins every textual canary, or another word like it. Letters only: it survives as a name, in an address, in a path."""
_RANDOM = 14
_AT_ONCE = 64 * 1024 * 1024
_chance = random.SystemRandom()


class Sighting(NamedTuple):
    """Where a canary was seen, in which form, and which one (as far as it can be read)."""

    where: str
    form: str
    canary: str


class Canaries:
    """The canaries of one test that begin with `mark`. `planted` says, for each, what it was planted as."""

    def __init__(self, mark: str = MARK) -> None:
        self.mark = mark
        self.planted: dict[str, str] = {}
        self._forms: dict[bytes, tuple[str, str]] = {form: (name, mark) for name, form in forms_of(mark.encode())}

    def text(self, label: str) -> str:
        """A textual canary: letters and digits only."""
        value = self.mark + "".join(_chance.choices(string.ascii_lowercase + string.digits, k=_RANDOM))
        self.planted[value] = label
        return value

    def email(self, label: str) -> str:
        return f"{self.text(label)}@clinic.test"

    def integer(self, label: str) -> int:
        """Nine digits: unlikely to stand anywhere by chance."""
        value = _chance.randint(100_000_001, 999_999_998)
        self._remember(label, str(value).encode())
        return value

    def decimal(self, label: str) -> float:
        """Fifteen significant digits; looked for as a binary double too."""
        value = float(f"{_chance.randint(1_000_000, 9_999_999)}.{_chance.randint(10_000_000, 99_999_999)}")
        self._remember(label, repr(value).encode())
        for name, order in (("double", ">d"), ("double", "<d")):
            self._forms[struct.pack(order, value)] = (name, repr(value))
        return value

    def date(self, label: str) -> str:
        """A day of the seventeenth century: no log line has it as its own."""
        value = f"{_chance.randint(1610, 1690)}-{_chance.randint(1, 12):02}-{_chance.randint(1, 28):02}"
        self._remember(label, value.encode())
        return value

    def known(self, value: str, label: str) -> str:
        """A value that the server made, such as the secret of a key: it is looked for like a canary."""
        self._remember(label, value.encode())
        return value

    def _remember(self, label: str, value: bytes) -> None:
        self.planted[value.decode()] = label
        for name, form in ((n, f) for n, f in forms_of(value) if n in ("plain", "utf-16")):
            self._forms[form] = (name, value.decode())

    # -- looking ------------------------------------------------------------------------------------------------------

    def in_bytes(self, data: bytes, where: str) -> list[Sighting]:
        """Every form that occurs in `data`, at its first occurrence."""
        found: list[Sighting] = []
        for form, (name, canary) in self._forms.items():
            at = data.find(form)
            if at >= 0:
                whole = canary is self.mark and name == "plain"
                seen = data[at : at + len(self.mark) + _RANDOM].decode("ascii", "replace") if whole else canary
                found.append(Sighting(where, name, f"{seen} ({self.planted.get(seen, 'which one cannot be read')})"))
        return found

    def in_file(self, path: Path) -> list[Sighting]:
        """As `in_bytes`, for a file of any size; a file that vanishes meanwhile holds nothing."""
        found: list[Sighting] = []
        try:
            with path.open("rb") as file:
                before = b""
                while chunk := file.read(_AT_ONCE):
                    found += self.in_bytes(before + chunk, str(path))
                    before = chunk[-200:]  # longer than any form
        except FileNotFoundError:
            return []
        return found

    def in_folder(self, folder: Path) -> list[Sighting]:
        """As `in_file`, for every file below `folder`, and for their names."""
        found = self.in_bytes("\n".join(str(path) for path in folder.rglob("*")).encode(), f"names below {folder}")
        for path in files_below(folder):
            found += self.in_file(path)
        return found

    def in_tree(self, tree: Any, where: str) -> list[Sighting]:
        """As `in_bytes`, for anything that can be printed."""
        return self.in_bytes(str(tree).encode(), where)


def forms_of(value: bytes) -> Iterator[tuple[str, bytes]]:
    """What `value` looks like in other clothes; cut to what does not depend on what stands around it."""
    yield "plain", value
    if value.decode().lower() != value.decode():
        yield "lower case", value.lower()
        yield "upper case", value.upper()
    yield "utf-16", b"\0".join(value[index : index + 1] for index in range(len(value)))
    yield "hex", value.hex().encode()
    yield "HEX", value.hex().upper().encode()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value)
        first = -(-shift * 8 // 6)  # characters that hold bits of what stands before
        last = (shift + len(value)) * 8 // 6  # those after it hold bits of what follows
        yield "base64", encoded[first:last]


def files_below(folder: Path) -> Iterator[Path]:
    """Plain files only: a socket or a pipe holds nothing to read."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def describe(sightings: list[Sighting], most: int = 20) -> str:
    """For the message of a failed assertion."""
    lines = [f"{len(sightings)} sightings:", *(f"  {one.where}: {one.canary} as {one.form}" for one in sightings[:most])]
    return "\n".join(lines)
