"""How hard it gets to guess: so many failures are free, then each one makes the next try slower or more work. Pure.

Nothing here ever closes an account: whoever does the work is let through to the password at once, whatever others did.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal["account", "address", "device", "factor"]
"""What failures are counted of: an account, an address, a device that was in the account before, a second factor."""

EASIEST = 20_000
HARDEST = 2_000_000
"""Hashes to compute at most, half of them on average."""

_LONGEST_PAUSE = 60
_CONSECUTIVE_MOST = 100


class Guard(msgspec.Struct, frozen=True):
    """`free`: failures that have no consequence. `lifetime`: seconds after the last one in which all are forgotten.

    `consecutive`: a success ends the count.
    """

    free: int
    lifetime: int
    consecutive: bool = True


class Demand(msgspec.Struct, frozen=True):
    """What the next try takes: so much work, or else a `pause` of so many seconds since the last one that took it. None: work."""

    work: int
    pause: int | None


def guards(account: int, address: int) -> Mapping[Kind, Guard]:
    """How each kind is counted. An address may be a whole clinic, so it is not remembered for long."""
    day, hour = 86_400, 3_600
    return {
        "account": Guard(account, day),
        "device": Guard(account, day),
        "factor": Guard(min(account, 5), day),
        "address": Guard(address, hour, consecutive=False),
    }


def demand(guard: Guard, failures: int) -> Demand | None:
    """What comes of so many failures; None: nothing yet.

    From the 100th in a row on there is only the hardest work. NIST SP 800-63B-4, 3.2.2 would disable the password there; then any
    stranger could lock anybody out.
    """
    beyond = failures - guard.free
    if beyond < 0:
        return None
    if guard.consecutive and failures >= _CONSECUTIVE_MOST:
        return Demand(HARDEST, None)
    return Demand(min(HARDEST, EASIEST << min(beyond, 10)), min(_LONGEST_PAUSE, 1 << min(beyond, 10)))
