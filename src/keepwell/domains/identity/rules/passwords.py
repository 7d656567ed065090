"""How a new password must look (NIST SP 800-63B-4, 3.1.1.2): long, and none that is guessed first. No rules about characters.

Whole passwords are refused, never parts of one: what is common, what is nothing but names that belong to the account, what
repeats itself, what runs along the alphabet or the keyboard. With 15 characters few of the common ones are left.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from unicodedata import normalize

from keepwell.kernel.problems import Fault

PASSWORD_LEAST = 15
PASSWORD_MOST = 256
_RUN_LEAST = 3
_OWN_LEAST = 4
_WORD_LEAST = 3

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
)
_STEPS = frozenset(pair for row in _ROWS for way in (row, row[::-1]) for pair in pairwise(way)) | {
    (character, character) for character in "0123456789abcdefghijklmnopqrstuvwxyz"
}
_COMMON = frozenset(
    {
        "bpgjldsgjldthnf",
        "hd764nw5d7e1vb1",
        "lhbjkjubz2957704",
        "mailcreated5240",
        "momsanaladventure",
        "nemvxyheqdd5oqxyxyzi",
        "passwordstandard",
        "polniypizdec0211",
        "polniypizdec110211",
        "q1w2e3r4t5y6u7i8",
        "q1w2e3r4t5y6u7i8o9p0",
        "1qa2ws3ed4rf5tg",
        "23176djivanfros",
        "zqjphsyf6ctifgu",
    }
)
"""Of the 30,000 most common passwords that zxcvbn 4.5 (MIT) lists: those of 15 characters or more that no rule below refuses."""

_PLACES = re.compile(r"[^\W_]+")


def normal_password(text: str) -> str:
    """The form in which a password is hashed (NIST SP 800-63B-4, 3.1.1.2 asks for one normalisation)."""
    return normalize("NFC", text)


def password_fault(password: str, names: Iterable[str] = (), pointer: str = "/password") -> Fault | None:
    """Why a new password cannot be used; None when it can. Lengths count code points. `names` are those of the account."""
    length = len(normal_password(password))
    if length < PASSWORD_LEAST:
        return Fault(pointer, "password-too-short", f"Use at least {PASSWORD_LEAST} characters.")
    if length > PASSWORD_MOST:
        return Fault(pointer, "password-too-long", f"Use at most {PASSWORD_MOST} characters.")
    why = _guessed_first(normalize("NFKC", password).casefold(), names)
    return None if why is None else Fault(pointer, *why)


def _guessed_first(plain: str, names: Iterable[str]) -> tuple[str, str] | None:
    if plain in _COMMON:
        return "password-common", "It is on the list of common passwords: it would be guessed first."
    if _repeats(plain):
        return "password-repeats", "It is one piece again and again: it would be guessed early."
    if _runs(plain):
        return "password-sequence", "It runs along the alphabet, the digits or the keyboard."
    if _only_names(plain, names):
        return "password-of-names", "It is made of nothing but names that belong to the account or the program."
    return None


def _repeats(plain: str) -> bool:
    """Whether the whole is its beginning again and again, three times or more, the last one perhaps cut short."""
    return any(plain[size:] == plain[:-size] for size in range(1, len(plain) // 3 + 1))


def _runs(plain: str) -> bool:
    """Whether all of it lies in runs of three and more along a row, in either direction."""
    letters = "".join(_PLACES.findall(plain)) or plain
    length = 1
    for before, after in pairwise(letters):
        if (before, after) in _STEPS:
            length += 1
        elif length < _RUN_LEAST:
            return False
        else:
            length = 1
    return length >= _RUN_LEAST


def _only_names(plain: str, names: Iterable[str]) -> bool:
    """Whether fewer than four letters and digits are left without the names, or what is left is digits."""
    known = [word for name in ("keepwell", *names) for word in _words(name)]
    for word in sorted(known, key=len, reverse=True):
        plain = plain.replace(word, " ")
    rest = "".join(_PLACES.findall(plain))
    return len(rest) < _OWN_LEAST or (rest.isdecimal() and len(rest) <= 2 * _OWN_LEAST)


def _words(name: str) -> Sequence[str]:
    plain = normalize("NFKC", name).casefold()
    words = [word for word in _PLACES.findall(plain) if len(word) >= _WORD_LEAST]
    return [*words, "".join(words)] if words else []
