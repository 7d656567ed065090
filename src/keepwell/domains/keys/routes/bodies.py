"""What requests about keys carry, and what is answered."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from keepwell.domains.keys.models import KeyUse, KeyView
from keepwell.kernel.http import Part

Instant = Annotated[datetime, Meta(tz=True)]
Days = Annotated[int, Meta(ge=1, le=400)]


class KeyCreation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new key. Without `expires_at` it lives for a year; without `allowed_addresses` it may be used from anywhere."""

    name: str
    scopes: tuple[str, ...]
    expires_at: Instant | None = None
    allowed_addresses: tuple[str, ...] = ()


class KeyRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key is to be replaced: for how many seconds the old one still works, and when the new one ends."""

    overlap_s: int = 86_400
    expires_at: Instant | None = None


class KeyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, the rest stays."""

    name: str | None = None
    expires_at: Instant | None = None


class IssuedKey(msgspec.Struct, frozen=True):
    """A key just made. `token` is what its user sends; nobody can be shown it again."""

    token: str
    key: KeyView


class LeakedToken(msgspec.Struct, frozen=True):
    """One text that was found, in the form of GitHub's secret scanning."""

    token: str
    type: str = ""
    url: str | None = None
    source: str | None = None


class UnusedPart(Part, frozen=True):
    """As `Part`; for how many days a key was not used."""

    days: Days = 90


class ExpiringPart(Part, frozen=True):
    """As `Part`; within how many days a key ends."""

    days: Days = 30


class ActivityPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on; without it, since the key was made."""

    since: Instant | None = None


class KeyList(msgspec.Struct, frozen=True):
    """Keys."""

    items: list[KeyView]
    next: str | None


class KeyUseList(msgspec.Struct, frozen=True):
    """Keys and when they were last used."""

    items: list[KeyUse]
    next: str | None
