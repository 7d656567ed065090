"""Ids of messages. Each says how far its reader was when it was sent, so that a stream can go on after any of them.

`7` is the message that brought version 7. `7-3` is the third one sent since then that belongs to no version, such as who came in.
"""

import re
from typing import NamedTuple

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")


class Cursor(NamedTuple):
    """The last version seen, and how many messages came after it that belong to none."""

    version: int
    place: int = 0

    def __str__(self) -> str:
        return f"{self.version}-{self.place}" if self.place else str(self.version)

    @property
    def following(self) -> "Cursor":
        """The next message that belongs to no version."""
        return Cursor(self.version, self.place + 1)


def read_cursor(text: str | None) -> Cursor | None:
    """The place that an id marks; None where there is none, or it is none of ours: then a stream begins anew."""
    match = _CURSOR.fullmatch(text) if text else None
    return None if match is None else Cursor(int(match[1]), int(match[2] or 0))
