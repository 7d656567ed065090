"""Files of other programs become monitors: what each watches, and what of it could not be carried over."""

from collections.abc import Sequence
from typing import Literal

from keepwell.domains.monitors.rules.importing import blackbox, gatus, kuma
from keepwell.domains.monitors.rules.importing.reading import Found, Reading, UnreadableFileError

System = Literal["uptime-kuma", "gatus", "blackbox"]
"""Whose files are read."""
MOST = 2_000


def read(system: System, files: Sequence[str]) -> Reading:
    """What files of a program watch, each thing once.

    Raises:
        UnreadableFileError: they are none of that program, or hold too much.
    """
    if not files:
        raise UnreadableFileError("Send at least one file.")
    readings = [blackbox.read(files)] if system == "blackbox" else [_READERS[system](text) for text in files]
    found, left = dict[str, Found](), [each for reading in readings for each in reading.left_out]
    for each in (each for reading in readings for each in reading.found):
        if each.key in found:
            left.append(f"{each.name[:100]}: named twice, taken once")
        found.setdefault(each.key, each)
    if len(found) > MOST:
        raise UnreadableFileError(f"Import at most {MOST} at once.")
    return Reading(tuple(found.values()), tuple(left))


_READERS = {"uptime-kuma": kuma.read, "gatus": gatus.read}

__all__ = ["Found", "Reading", "System", "UnreadableFileError", "read"]
