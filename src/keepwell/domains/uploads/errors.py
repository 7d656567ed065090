"""What can go wrong with files that people send."""

from typing import Any

from keepwell.kernel import Fault, ProblemType, Refusal, Refused

UNREADABLE_UPLOAD = ProblemType(
    "unreadable-upload",
    422,
    "The upload cannot be read",
    "Correct what the detail says, at the line and column named, and send the file again. Nothing of it was stored.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (UNREADABLE_UPLOAD,)


def unreadable(reason: str, detail: str, line: int | None = None, column: int | None = None) -> Refused:
    """The answer to a file at fault as a whole. `reason` is stable; no word comes from the file, which is about people."""
    places = ((name, place) for name, place in (("line", line), ("column", column)) if place is not None)
    extra: dict[str, Any] = {"reason": reason, **dict(places)}
    where = "".join(f"/{name}/{place}" for name, place in extra.items() if name != "reason")
    return Refused(Refusal(UNREADABLE_UPLOAD, detail, faults=(Fault(where, reason, detail),), extra=extra))
