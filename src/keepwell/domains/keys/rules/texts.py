"""How a key looks: `kw_live_<id>_<secret><checksum>`, so that scanners and we recognise one without looking it up.

The id is 40 bytes: tenant, key, and eight bytes that prove both to be ours. The secret has 30 characters of 62 (178 bits). The
checksum is the CRC-32 of all before it, in six characters; it changes with any one character.
"""

import re
from typing import NamedTuple
from zlib import crc32

PREFIX = "kw_live_"
ID_BYTES = 40
SECRET_LENGTH = 30
SECRETS = 62**SECRET_LENGTH
"""How many secrets there are."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_ID_LENGTH = 54
_CHECK_LENGTH = 6
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}}([0-9A-Za-z]{{{_CHECK_LENGTH}}})")


class KeyText(NamedTuple):
    """A text that is formed like a key. `text` is all of it; `place` its id."""

    text: str
    place: bytes


def compose(place: bytes, secret: int) -> str:
    """The key of this id with the secret of this number."""
    body = f"{PREFIX}{_base62(int.from_bytes(place, 'big'), _ID_LENGTH)}_{_base62(secret, SECRET_LENGTH)}"
    return body + _checksum(body)


def recognise(text: str) -> KeyText | None:
    """What a text says if it is formed like a key and its checksum is right."""
    match = _FORM.fullmatch(text)
    if match is None or _checksum(text[:-_CHECK_LENGTH]) != match[2]:
        return None
    number = 0
    for character in match[1]:
        number = number * 62 + _VALUES[character]
    return KeyText(text, number.to_bytes(ID_BYTES, "big")) if number < 1 << 8 * ID_BYTES else None


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode("ascii")), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    characters: list[str] = []
    for _ in range(length):
        number, value = divmod(number, 62)
        characters.append(_ALPHABET[value])
    return "".join(reversed(characters))
