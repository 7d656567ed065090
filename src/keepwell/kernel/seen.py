"""Which feature flags a request saw: collected while it is served, and counted with its outcome when it ends.

So it can be told how requests fare that saw a flag on, beside those that saw it off.
"""

from contextvars import ContextVar
from datetime import timedelta
from uuid import UUID

from keepwell.kernel.tally import Tally, TallyKind

ON, OFF = "on", "off"
OK, ERROR = "ok", "error"
OUTCOMES = TallyKind("flag-outcomes", width=timedelta(minutes=1), kept=timedelta(days=2))
"""By flag, whether it was seen on, and how the request ended."""


class Sightings:
    """The flags one request saw, with what it saw of them."""

    __slots__ = ("failed", "seen")

    def __init__(self) -> None:
        self.seen: set[tuple[UUID, str, bool]] = set()
        self.failed = False

    def tell(self, tally: Tally, *, failed: bool) -> None:
        """Counts the request for each flag it saw."""
        outcome = ERROR if failed or self.failed else OK
        for tenant, key, on in self.seen:
            tally.add(tenant, OUTCOMES, key, ON if on else OFF, outcome)


_current: ContextVar[Sightings | None] = ContextVar("keepwell_flags_seen", default=None)


def begin() -> Sightings:
    """Collects from now on what is seen in this context and in those it starts."""
    sightings = Sightings()
    _current.set(sightings)
    return sightings


def note(tenant: UUID, key: str, *, on: bool) -> None:
    """A flag was looked at. Outside a request nobody asks."""
    sightings = _current.get()
    if sightings is not None:
        sightings.seen.add((tenant, key, on))


def note_failure() -> None:
    """Something in this request failed by our fault, whatever the status of its answer says."""
    sightings = _current.get()
    if sightings is not None:
        sightings.failed = True


__all__ = ["ERROR", "OFF", "OK", "ON", "OUTCOMES", "Sightings", "begin", "note", "note_failure"]
