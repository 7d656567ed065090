"""What callers carry for us between two requests: signed, so that nothing is stored for those who never come back.

A ticket is used up on the aggregate of the person it is for. Whoever reads one learns ids and times, and can change nothing.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED
from keepwell.domains.factors.models import Purpose, Ticket
from keepwell.kernel import Refusal, Refused
from keepwell.kit.time import Clock

_PREFIX = "kwt_"
_LONGEST = 2000
_MAC_BYTES = 32


class TicketOverError(Refused):
    """The ticket is ours, and too old."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__(Refusal(CHALLENGE_EXPIRED))
        self.ticket = ticket


class Tickets:
    """Issues and reads tickets under an installation-wide key, which is there once the database was reached."""

    def __init__(self, key: Callable[[], bytes], clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def until(self, seconds: int) -> int:
        """The end of a life that begins now."""
        return int(self._clock.now().timestamp()) + seconds

    def issue(self, ticket: Ticket) -> str:
        """The text of a ticket."""
        return _PREFIX + urlsafe_b64encode(self.sealed(ticket)).decode().rstrip("=")

    def sealed(self, ticket: Ticket) -> bytes:
        """The bytes of a ticket: what authenticators sign as a challenge."""
        body = msgspec.msgpack.encode(ticket)
        return hmac.digest(self._key(), body, hashlib.sha256) + body

    def read(self, text: str, *purposes: Purpose) -> Ticket:
        """What a ticket says that is ours, for one of these purposes, and not too old.

        Raises:
            Refused: `challenge-expired`. A `TicketOverError` where it is only too old.
        """
        raw = text.removeprefix(_PREFIX)
        if len(raw) == len(text) or len(raw) > _LONGEST or not raw.isascii():
            raise Refused(Refusal(CHALLENGE_EXPIRED))
        try:
            return self.opened(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), *purposes)
        except ValueError:
            raise Refused(Refusal(CHALLENGE_EXPIRED)) from None

    def opened(self, sealed: bytes, *purposes: Purpose) -> Ticket:
        """As `read`, from the bytes."""
        mac, body = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, hmac.digest(self._key(), body, hashlib.sha256)):
            raise Refused(Refusal(CHALLENGE_EXPIRED))
        ticket = msgspec.msgpack.decode(body, type=Ticket)
        if ticket.purpose not in purposes:
            raise Refused(Refusal(CHALLENGE_EXPIRED))
        if ticket.until <= self._clock.now().timestamp():
            raise TicketOverError(ticket)
        return ticket


def ends(ticket: Ticket) -> datetime:
    """The instant from which nobody takes the ticket."""
    return datetime.fromtimestamp(ticket.until, UTC)
