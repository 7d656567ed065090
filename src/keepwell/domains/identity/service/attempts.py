"""What becomes visible of every attempt to log in or refresh: each step with outcome and duration, and why it failed.

Addresses, names and passwords never appear here; reasons come from the fixed list below.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Literal
from uuid import UUID

from prometheus_client import Counter, Histogram

from keepwell.kernel import Actor, Kernel, Origin, Refused
from keepwell.kit.ids import NIL
from keepwell.kit.time import SystemClock
from keepwell.platform.telemetry import Line, write

Step = Literal[
    "clinic",
    "challenge",
    "account",
    "password",
    "second-factor",
    "passkey",
    "magic-link",
    "oidc",
    "step-up",
    "session",
    "tokens",
    "refresh",
]
Reason = Literal[
    "unknown-email",
    "no-account-in-clinic",
    "no-active-clinic",
    "no-password-set",
    "empty-password",
    "wrong-password",
    "user-disabled",
    "method-not-allowed",
    "second-factor-delayed",
    "challenge-expired",
    "challenge-spent",
    "challenge-exhausted",
    "wrong-code",
    "code-used",
    "code-too-many-failures",
    "no-such-factor",
    "wrong-recovery-code",
    "unknown-passkey",
    "passkey-unverified",
    "other-browser",
    "mail-undelivered",
    "provider-unreachable",
    "provider-refused",
    "unverified-email",
    "bad-id-token",
]

ATTEMPTS = ("login", "refresh", "step-up", "magic-link")
"""What may be attempted: the first parts of the actions under which failures are recorded."""

ATTEMPTED_BY = "anonymous"
"""The role under which they are recorded: who attempts has not proved yet who they are. What is read on the way is read by us."""

STEPS = Counter("keepwell_login_steps", "Steps of logging in and refreshing, by how they ended", ["step", "outcome"])
SECONDS = Histogram(
    "keepwell_login_step_duration_seconds",
    "Time each step of logging in and refreshing took",
    ["step"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_clock = SystemClock()


class StepLine(Line, kw_only=True):
    """One step: its name, how it ended, both from the code, and the request it was a part of."""

    step: str
    outcome: str
    duration_ms: float
    request_id: str
    trace_id: str = ""


class Attempt:
    """One attempt, from its first step to its end: `at` is the latest. `tenant` and `user` are filled in as they become known."""

    def __init__(self, kernel: Kernel, origin: Origin, action: str) -> None:
        self._kernel = kernel
        self._origin = origin
        self._action = action
        self.tenant: UUID = NIL
        self.user: UUID = NIL
        self.at: Step = "clinic"

    @contextmanager
    def step(self, step: Step) -> Generator[None]:
        """Times the step, counts and logs how it ended."""
        self.at = step
        started = monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        except Refused as refused:
            outcome = refused.refusal.code
            raise
        finally:
            self._show(step, outcome, monotonic() - started)

    async def refused(self, step: Step, reason: str, *, kind: str = "user") -> None:
        """Records why the attempt failed, before anybody is answered: by itself, or counted with many others that say the same.

        The caller then raises the one answer all get.

        Raises:
            Refused: the record cannot be written now; that is the answer then.
        """
        self.note(step, reason)
        await self._record(step, reason, kind)

    async def kept(self, refused: Refused) -> None:
        """Records what its step was refused with, if that can be recorded; count and log line of the step say it in any case."""
        with suppress(Refused):
            await self._record(self.at, refused.refusal.code, "user")

    async def _record(self, step: Step, reason: str, kind: str) -> None:
        nobody = Actor(self.tenant, NIL, ATTEMPTED_BY, ())
        await self._kernel.record_often(nobody, self._origin, f"{self._action}.{step}", kind, self.user, reason)

    def note(self, step: Step, outcome: str) -> None:
        """Counts and logs something that is worth seeing by itself and that the journal holds already."""
        self._show(step, outcome, 0)

    def _show(self, step: Step, outcome: str, seconds: float) -> None:
        STEPS.labels(step, outcome).inc()
        if seconds:
            SECONDS.labels(step).observe(seconds)
        write(
            StepLine(
                event=f"{self._action}.step",
                timestamp=_clock.now(),
                step=step,
                outcome=outcome,
                duration_ms=round(seconds * 1000, 3),
                request_id=self._origin.request_id,
                trace_id=(self._origin.traceparent or "")[3:35],
            )
        )
