"""Argon2id in threads of its own, as many as cannot starve the rest, with a queue that ends somewhere."""

import asyncio
import hashlib
import hmac
import os
import sys
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import ceil
from threading import get_native_id
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from keepwell.domains.identity.rules.passwords import PASSWORD_MOST, normal_password
from keepwell.kernel.problems import OVERLOADED, Refusal, Refused

T = TypeVar("T")

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
"""OWASP Password Storage Cheat Sheet, Argon2id; 21 ms on the machine it was chosen on."""

_SECONDS_EACH = 0.03
_NICE = 5


def _lower_priority() -> None:
    """On Linux a thread has its own nice value: password hashing yields to everything else the process does."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class Hashing:
    """Hashes and verifies passwords. `queue` is how many may wait or run at once; `computed` counts Argon2 computations."""

    def __init__(self, mark_key: Callable[[], bytes], *, threads: int | None = None, queue: int | None = None) -> None:
        self._mark_key = mark_key
        self.threads = threads or max(1, _cores() - 1)
        self.queue = queue or 64 * self.threads
        self.waiting = 0
        self.computed = 0
        self._argon2 = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="password", initializer=_lower_priority)
        # Costs what a real one costs, and no password is known for it: the digest is random.
        salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
        self._dummy = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"

    @property
    def accepting(self) -> bool:
        """Whether one more password would be taken now."""
        return self.waiting < self.queue

    async def hash(self, password: str) -> str:
        """The PHC string of a password that keeps the rules.

        Raises:
            Refused: overloaded; come back after `retry_after` seconds.
        """
        return await self._run(lambda: self._argon2.hash(normal_password(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the stored hash; always exactly one Argon2 computation, also when there is none.

        Raises:
            Refused: overloaded; come back after `retry_after` seconds.
        """
        return await self._run(lambda: self._verify(stored, password))

    def mark(self, password: str) -> bytes:
        """A keyed digest by which the same password is known again; worth nothing without the key."""
        return hmac.digest(self._mark_key(), normal_password(password).encode(), hashlib.sha256)

    def _verify(self, stored: str | None, password: str) -> bool:
        # Lone surrogates, which no keyboard makes, become "?": the computation below must not fail before it began.
        normal = normal_password(password)
        given = normal.encode(errors="replace")
        usable = stored is not None and 0 < len(normal) <= PASSWORD_MOST
        try:
            self._argon2.verify(stored if usable and stored is not None else self._dummy, given if usable else b"-")
        except (VerificationError, InvalidHashError):
            return False
        return usable

    async def _run(self, work: Callable[[], T]) -> T:
        if not self.accepting:
            wait = ceil(self.waiting * _SECONDS_EACH / self.threads)
            raise Refused(Refusal(OVERLOADED, "too many log-ins at once", retry_after=max(1, wait)))
        self.waiting += 1
        try:
            # A caller that is gone takes its waiting work with it: cancelling the wrapper cancels what has not begun.
            return await asyncio.wrap_future(self._pool.submit(self._counted, work))
        finally:
            self.waiting -= 1

    def _counted(self, work: Callable[[], T]) -> T:
        self.computed += 1
        return work()

    def close(self) -> None:
        """Lets running computations end and drops the waiting ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)
