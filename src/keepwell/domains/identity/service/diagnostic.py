"""Whether logging in works now, step by step, without a single account being involved."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import msgspec

from keepwell.domains.identity import store
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.identity.service.tokens import Tokens
from keepwell.domains.tenants import clinic_by_slug, operator
from keepwell.kernel import Actor, Kernel, Origin, Permission, Search
from keepwell.kit.ids import NIL

_FRESH_SECONDS = 1.0
_SLOWEST_SECONDS = 5.0


class StepHealth(msgspec.Struct, frozen=True):
    """One thing that logging in needs. `advice` says what to do when it does not work."""

    step: str
    ok: bool
    took_ms: float
    advice: str | None = None


class Diagnostic(msgspec.Struct, frozen=True):
    """All of them together."""

    ok: bool
    steps: tuple[StepHealth, ...]


class DiagnosticService:
    """Tries every part. Anyone may ask, so answers are kept for a second and concurrent questions share one try."""

    def __init__(self, kernel: Kernel, hashing: Hashing, tokens: Tokens) -> None:
        self._kernel = kernel
        self._hashing = hashing
        self._tokens = tokens
        self._lock = asyncio.Lock()
        self._latest: tuple[float, Diagnostic] | None = None

    async def diagnose(self, origin: Origin) -> Diagnostic:
        """The state of every step. A step that does not answer in time counts as not working."""
        async with self._lock:
            if self._latest is None or monotonic() - self._latest[0] > _FRESH_SECONDS:
                steps = await asyncio.gather(
                    _tried("database", lambda: self._search(origin, _one), "The database does not answer: try again soon."),
                    _tried(
                        "clinic-directory",
                        lambda: self._search(origin, _directory),
                        "Clinics and accounts cannot be looked up: an operator has to look at the database.",
                    ),
                    _tried("hashing", self._hashing_accepts, "Too many log-ins at once: try again in some seconds."),
                    _tried("signing-key", self._signs, "Tokens cannot be made: an operator has to look at the keys."),
                    _tried(
                        "session-store", lambda: self._search(origin, _sessions), "Sessions cannot be stored: try again soon."
                    ),
                )
                self._latest = (monotonic(), Diagnostic(all(step.ok for step in steps), tuple(steps)))
            return self._latest[1]

    async def _search(self, origin: Origin, query: Callable[[Any], Awaitable[object]]) -> None:
        await self._kernel.search(Search("session", operator(NIL), origin, Permission("Session", "s"), "login.diagnostic"), query)

    async def _hashing_accepts(self) -> None:
        if not self._hashing.accepting:
            raise RuntimeError("the queue is full")

    async def _signs(self) -> None:
        probe = Actor(NIL, NIL, "diagnostic", (), credential=NIL)
        token, _ = self._tokens.access(probe, 10)
        if self._tokens.verify(token) != probe:
            raise RuntimeError("what was signed does not verify")


async def _tried(step: str, attempt: Callable[[], Awaitable[None]], advice: str) -> StepHealth:
    started = monotonic()
    try:
        async with asyncio.timeout(_SLOWEST_SECONDS):
            await attempt()
    except Exception:  # noqa: BLE001 - whatever the reason, the step does not work; the log of the part itself says why
        return StepHealth(step, ok=False, took_ms=_milliseconds(started), advice=advice)
    return StepHealth(step, ok=True, took_ms=_milliseconds(started))


def _milliseconds(started: float) -> float:
    return round((monotonic() - started) * 1000, 1)


async def _one(connection: Any) -> None:
    await connection.fetchval("SELECT 1")


async def _directory(connection: Any) -> None:
    await clinic_by_slug(connection, "-")  # no clinic can be called so


async def _sessions(connection: Any) -> None:
    await store.session_store_answers(connection, NIL)
