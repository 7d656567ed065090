"""Looking at a target once: what is asked of it, what came back, and what that is worth."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from keepwell.domains.monitors import Monitor


class Finding(msgspec.Struct, frozen=True):
    """What one look at a target found. `reason` is a stable word, None when it is up. Times are in milliseconds."""

    up: bool
    reason: str | None = None
    code: int | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None


Examine = Callable[[UUID, Monitor], Awaitable[Finding]]
"""Looks at the target of a clinic's monitor. What the target does never makes it fail."""
Egress = Callable[[float], Awaitable[bool]]
"""Whether our own network works, looked at no earlier than at an instant of the monotonic clock."""
