"""Proof of work: puzzles that are quick to make and to check, and take their solver a while. Each is good once, for a while."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import altcha as _altcha

from keepwell.kit.time import Clock
from keepwell.platform.counts import Counts

LIFETIME_SECONDS = 600
altcha: Any = _altcha  # its published types leave what is in a dict open
_ALGORITHM = "SHA-256"
_LONGEST = 4096


class Puzzles:
    """ALTCHA challenges (version 2, SHA-256, one number to be found), signed under `key`: every process reads those of all."""

    def __init__(self, key: Callable[[], bytes], clock: Clock, counts: Counts) -> None:
        self._key = key
        self._clock = clock
        self._counts = counts

    def make(self, work: int) -> dict[str, Any]:
        """A puzzle that takes at most `work` hashes, half of them on average."""
        until = int(self._clock.now().timestamp()) + LIFETIME_SECONDS
        told = {"work": work, "until": until}
        number = secrets.randbelow(work)
        return altcha.create_challenge(_ALGORITHM, 1, counter=number, data=told, hmac_secret=self._key()).to_dict()

    async def solved(self, solution: str, work: int) -> bool:
        """Whether this solves a puzzle of ours of at least so much work, in time and for the first time."""
        payload = _read(solution)
        if payload is None or not altcha.verify_solution(payload, self._key()).verified:
            return False
        told: dict[str, int] = payload.challenge.parameters.data or {}
        remaining = told["until"] - self._clock.now().timestamp()
        if told["work"] < work or remaining <= 0:
            return False
        mark = hashlib.sha256(str(payload.challenge.signature).lower().encode()).hexdigest()
        return await self._counts.first(f"keepwell:solved:{mark}", remaining)


def _read(solution: str) -> Any:
    """What was sent, if it has the form of a solution: nothing in it is to be believed yet."""
    if len(solution) > _LONGEST or not solution.isascii():
        return None
    try:
        return altcha.Payload.from_base64(base64.b64encode(base64.b64decode(solution, validate=True)).decode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None
