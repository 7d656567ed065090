"""The scanner sees what it should: a test that finds nothing proves something only if it would have found something."""

import base64
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.canary import Canaries

DRESSES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "upper case": str.upper,
    "hex": lambda text: text.encode().hex(),
    "upper case hex": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind one byte": lambda text: base64.b64encode(b"a" + text.encode() + b"zz").decode(),
    "base64 behind two bytes": lambda text: base64.b64encode(b"ab" + text.encode() + b"z").decode(),
    "base64 of a document": lambda text: base64.urlsafe_b64encode(b'{"name":"' + text.encode() + b'"}').decode(),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_canary_is_known_in_every_dress(dress: str):
    canaries = Canaries()
    worn = DRESSES[dress](canaries.text("name"))
    assert canaries.in_bytes(f"before {worn} after".encode(), "here")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_canary_is_known_in_wide_characters(encoding: str):
    canaries = Canaries()
    assert canaries.in_bytes(f"x{canaries.text('name')}y".encode(encoding), "here")


def test_numbers_and_dates_are_known():
    canaries = Canaries()
    integer, decimal, date = canaries.integer("weight"), canaries.decimal("height"), canaries.date("birth")
    assert [one.canary for one in canaries.in_bytes(f"w={integer}".encode(), "here")] == [f"{integer} (weight)"]
    assert canaries.in_bytes(f"h={decimal!r}".encode(), "here")
    assert canaries.in_bytes(b"\xcb" + struct.pack(">d", decimal), "here")
    assert canaries.in_bytes(f"b={date}T00:00".encode(), "here")


def test_a_sighting_says_what_was_planted_and_where(tmp_path: Path):
    canaries = Canaries()
    path = tmp_path / "deep" / "file.log"
    path.parent.mkdir()
    path.write_bytes(b"\0" * 10_000 + canaries.text("reason").encode() + b"\0" * 10_000)
    (sighting,) = canaries.in_folder(tmp_path)
    assert sighting.where == str(path)
    assert "reason" in sighting.canary


def test_names_of_files_are_looked_at(tmp_path: Path):
    canaries = Canaries()
    (tmp_path / canaries.text("upload")).touch()
    assert canaries.in_folder(tmp_path)


def test_what_holds_no_canary_gives_no_sighting(tmp_path: Path):
    canaries = Canaries()
    for label in ("one", "two"):
        canaries.text(label)
    canaries.integer("three")
    canaries.decimal("four")
    canaries.date("five")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 4000)
    assert canaries.in_folder(tmp_path) == []
