"""Whether the process lives, and whether everything it needs to serve is there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

import msgspec

from keepwell.kernel.http import Answer, Call, Endpoint, Example
from keepwell.kernel.problems import UNAVAILABLE, Refusal, Refused

Check = Callable[[], Awaitable[None]]
"""Returns when the part works; raises when it does not. `NotReadyError` may say why, in words safe to show."""

CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0


class NotReadyError(Exception):
    """A part does not work. The message goes to whoever asks: it holds no address, no secret and no data."""


class PartHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part."""

    ok: bool
    took_ms: float
    detail: str = ""


class Health(msgspec.Struct, frozen=True):
    """All parts, by name."""

    status: str
    parts: dict[str, PartHealth]


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "alive"


_EXAMPLE = Health(
    "ready",
    {
        "database": PartHealth(ok=True, took_ms=1.3),
        "cache": PartHealth(ok=True, took_ms=0.4),
        "migrations": PartHealth(ok=True, took_ms=2.1),
        "queue": PartHealth(ok=True, took_ms=0.0),
    },
)


class Readiness:
    """Tries every part at once, each for at most `seconds`. Answers are kept a moment, and askers share one attempt."""

    def __init__(self, checks: Mapping[str, Check], seconds: float = CHECK_SECONDS, fresh: float = FRESH_SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._fresh = fresh
        self._lock = asyncio.Lock()
        self._latest: tuple[float, Health] | None = None

    async def health(self) -> Health:
        """The state of every part, never older than `fresh` seconds."""
        async with self._lock:
            if self._latest is None or perf_counter() - self._latest[0] > self._fresh:
                parts = await asyncio.gather(*(self._try(check) for check in self._checks.values()))
                status = "ready" if all(part.ok for part in parts) else "not-ready"
                self._latest = (perf_counter(), Health(status, dict(zip(self._checks, parts, strict=True))))
            return self._latest[1]

    async def _try(self, check: Check) -> PartHealth:
        started = perf_counter()
        detail = ""
        try:
            async with asyncio.timeout(self._seconds):
                await check()
        except NotReadyError as reason:
            detail = str(reason)
        except TimeoutError:
            detail = f"no answer within {self._seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the part does not work
            detail = type(error).__name__
        return PartHealth(not detail, round((perf_counter() - started) * 1000, 1), detail)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """`/health/live` and `/health/ready`; both answer even when other requests are shed."""
        return (
            Endpoint(
                "GET",
                "/health/live",
                _live,
                "Whether the process answers",
                "Health",
                answers={200: Alive},
                public=True,
                vital=True,
                compressed=True,
                rate=None,
                example=Example(answer=Alive()),
            ),
            Endpoint(
                "GET",
                "/health/ready",
                self._ready,
                "Whether all parts work",
                "Health",
                answers={200: Health},
                public=True,
                vital=True,
                compressed=True,
                rate=None,
                example=Example(answer=_EXAMPLE),
            ),
        )

    async def _ready(self, _: Call) -> Answer:
        health = await self.health()
        failing = [name for name, part in health.parts.items() if not part.ok]
        if failing:
            extra = {"failing": failing, "parts": health.parts}
            raise Refused(Refusal(UNAVAILABLE, f"Not ready: {', '.join(failing)}.", extra=extra, retry_after=2))
        return Answer(body=health)


async def _live(_: Call) -> Answer:
    return Answer(body=Alive())
