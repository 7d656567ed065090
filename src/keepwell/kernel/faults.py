"""How an unexpected error is written down: its class and the lines of ours it went through, never its message or values."""

import traceback
from pathlib import Path
from typing import TypedDict

_SOURCE = str(Path(__file__).parents[1])


class Description(TypedDict):
    """The log fields of an unexpected error."""

    error: str
    frames: list[str]


def describe(error: BaseException) -> Description:
    """What may be logged of an error. Messages are left out because they quote what the caller sent."""
    frames = [
        f"{Path(frame.filename).relative_to(_SOURCE)}:{frame.lineno}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(_SOURCE)
    ]
    return {"error": type(error).__qualname__, "frames": frames}
