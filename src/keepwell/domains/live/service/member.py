"""One connection in a room: what waits to be sent to it, how far it has seen, and when it has to end."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from keepwell.domains.live.models import ACK, PROBLEM, Frame, LiveSettings, Seat, Viewer
from keepwell.domains.live.rules import Cursor, Pace, framed
from keepwell.domains.live.service import measures
from keepwell.kernel import Refusal
from keepwell.kit.ids import new_id

_OVERHEAD = 200  # bytes that Python needs around a short text, roughly
_ANSWERS = (ACK, PROBLEM)
"""What somebody asked for: it is never dropped. Who does not read is not listened to either, so it stays little."""


class _Waiting(NamedTuple):
    """A message, encoded, before it has a place in the stream. `version` is the one it brings, 0 when it brings none."""

    version: int
    type: str
    text: str

    @property
    def size(self) -> int:
        return len(self.text) + _OVERHEAD


class Member:
    """A connection. `reads`: its person may see the response; without it they see that something changed, and no more.

    `version` is the one that it has been sent, or will be when all that waits is; None until it was shown where the response
    stands. `lagging`: messages were dropped, and a snapshot is owed. `ending` is why it ends, once it does.
    """

    __slots__ = (
        "_bytes",
        "_cursor",
        "_held",
        "_outbox",
        "_settings",
        "_space",
        "_wake",
        "abort",
        "blocked_since",
        "ending",
        "heard",
        "id",
        "lagging",
        "pace",
        "reads",
        "seat",
        "until",
        "version",
        "viewer",
        "writes",
    )

    def __init__(
        self, viewer: Viewer, settings: LiveSettings, since: datetime, cursor: Cursor | None, *, reads: bool, writes: bool
    ) -> None:
        self.id: UUID = new_id()
        self.viewer = viewer
        self.until = viewer.until
        self.reads = reads
        self.writes = writes
        self.seat = Seat(self.id, viewer.actor.id, viewer.actor.role, since)
        self.version: int | None = None
        self.lagging = False
        self.ending: Refusal | None = None
        self.heard = monotonic()
        self.blocked_since: float | None = None
        self.abort: Callable[[], None] = lambda: None
        self.pace = Pace(settings.pace, self.heard)
        self._settings = settings
        self._cursor = cursor or Cursor(0)
        self._held: list[tuple[int, _Waiting]] = []
        self._outbox: deque[_Waiting] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._space = asyncio.Event()

    def is_behind(self, version: int) -> bool:
        """Whether it is to be told of what led to this version."""
        return self.version is not None and self.version < version and not self.lagging and self.ending is None

    def move_to(self, version: int, type: str, text: str) -> None:
        """Sends what brings it to a version; `text` is an encoded message."""
        if self.ending is None:
            self.version = version
            self._put(_Waiting(version, type, text))
            if self._held and not self.lagging:
                due = [waiting for after, waiting in self._held if after <= version]
                self._held = [(after, waiting) for after, waiting in self._held if after > version]
                for waiting in due:
                    self._put(waiting)

    def say_after(self, version: int, type: str, text: str) -> None:
        """Sends an answer behind what brings it to a version: who has the answer has seen what it is about."""
        if self.version is not None and self.version >= version and not self.lagging:
            self.say(type, text)
        elif self.ending is None:
            self._held.append((version, _Waiting(0, type, text)))

    def say(self, type: str, text: str) -> None:
        """Sends what belongs to no version. Who does not know yet where the response stands hears only answers."""
        if self.ending is None and (self.version is not None or type in _ANSWERS):
            self._put(_Waiting(0, type, text))

    def catch_up(self, version: int, type: str, text: str) -> None:
        """Sends the snapshot that was owed."""
        self.lagging = False
        self.move_to(version, type, text)

    def fall_behind(self) -> None:
        """Drops what waits, but for answers: a snapshot will stand for it."""
        if self.ending is None:
            if not self.lagging:
                measures.LAGGED.inc()
            self.lagging = True
            self._keep_only(_ANSWERS)
            self._wake.set()

    def end(self, refusal: Refusal, *, at_once: bool = False) -> None:
        """Ends the connection once what waits is sent; with `at_once` nothing of that goes out any more."""
        if self.ending is None:
            self.ending = refusal
            if at_once:
                self._keep_only(())
            self._wake.set()
            self._space.set()

    def take(self) -> Frame | None:
        """The next message to send, when one waits."""
        if not self._outbox:
            return None
        waiting = self._outbox.popleft()
        self._bytes -= waiting.size
        self._space.set()
        self._cursor = Cursor(waiting.version) if waiting.version else self._cursor.following
        return framed(self._cursor, waiting.type, waiting.text)

    async def wait(self, seconds: float | None = None) -> None:
        """Returns when there may be something to do: to send, to catch up, to end; or after `seconds`."""
        if not self._outbox and not self.lagging and self.ending is None:
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def listening(self) -> None:
        """Returns when little enough waits that more may be asked."""
        while len(self._outbox) + len(self._held) >= self._settings.backlog and self.ending is None:
            self._space.clear()
            await self._space.wait()

    def _put(self, waiting: _Waiting) -> None:
        full = len(self._outbox) >= self._settings.backlog or self._bytes + waiting.size > self._settings.backlog_bytes
        if full and self._outbox and waiting.type not in _ANSWERS:
            self.fall_behind()
            return
        self._outbox.append(waiting)
        self._bytes += waiting.size
        self._wake.set()

    def _keep_only(self, types: tuple[str, ...]) -> None:
        self._outbox = deque(waiting for waiting in self._outbox if waiting.type in types)
        self._bytes = sum(waiting.size for waiting in self._outbox)
