"""How far a caller's session has seen the primary's log, carried by the caller, so that no replica shows it less.

Positions are bytes of the write-ahead log. A token names one, and when it was given; it is authenticated, so that nobody makes
reads wait for what will never be, and says nothing about anybody.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256

from keepwell.kernel.problems import Refused
from keepwell.kit.time import Clock, microseconds

KEY = "keepwell session positions v1"
"""The label of the key that authenticates tokens."""

_LENGTH = 40
_PLAIN, _MAC = 14, 16


class Position:
    """What one request's session has seen. The kernel moves it on while the request is served.

    `settled`: the session's last answer is so old that a replica which is allowed to answer at all has everything from before
    it. Only then may less than the newest be shown. Answers can overtake each other on their way, so a young token may not be
    the last one its session was given.
    """

    __slots__ = ("reached", "settled", "touched")

    def __init__(self, reached: int = 0, *, settled: bool = False) -> None:
        self.reached = reached
        self.settled = settled
        self.touched = False

    def saw(self, position: int) -> None:
        """Something was shown or stored that lies before `position`."""
        self.reached = max(self.reached, position)
        self.touched = True

    def floor(self, now: int) -> int:
        """The least a replica must have replayed, when the primary's log is at `now`."""
        return min(self.reached, now) if self.settled else now


class Positions:
    """Makes and reads tokens. `settles_after` must be longer than a replica may lag and an answer may be under way.

    `key` is asked for each time: it may not be known before the database was reached.
    """

    def __init__(self, key: Callable[[], bytes], clock: Clock, settles_after: timedelta = timedelta(seconds=10)) -> None:
        self._key = key
        self._clock = clock
        self._settles_after = settles_after // timedelta(microseconds=1)

    def read(self, tokens: Iterable[str]) -> Position:
        """The position of a session that sends these tokens: the furthest, and the youngest. One that is not ours is no token."""
        found = [pair for pair in map(self._opened, tokens) if pair is not None]
        if not found:
            return Position()
        youngest = max(given for _, given in found)
        settled = microseconds(self._clock.now()) - youngest > self._settles_after
        return Position(max(reached for reached, _ in found), settled=settled)

    def token(self, position: Position) -> str:
        """40 characters of `[A-Za-z0-9_-]`."""
        plain = position.reached.to_bytes(8, "big") + (microseconds(self._clock.now()) // 1000).to_bytes(6, "big")
        return urlsafe_b64encode(plain + self._mac(plain)).decode("ascii")

    def _opened(self, token: str) -> tuple[int, int] | None:
        """The position, and when it was given, in microseconds since 1970."""
        if len(token) != _LENGTH:
            return None
        try:
            whole = urlsafe_b64decode(token)
        except (NotBase64, ValueError):
            return None
        plain, mac = whole[:_PLAIN], whole[_PLAIN:]
        try:
            ours = hmac.compare_digest(mac, self._mac(plain))
        except Refused:  # no database was reached yet: without a token the newest is the measure
            ours = False
        if not ours:
            return None
        return int.from_bytes(plain[:8], "big"), int.from_bytes(plain[8:], "big") * 1000

    def _mac(self, plain: bytes) -> bytes:
        return hmac.digest(self._key(), plain, sha256)[:_MAC]
