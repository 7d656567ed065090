"""The nouns of this room: keys by which programs come in, and what they were used for."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

State = Literal["active", "retiring", "revoked"]
RevokeReason = Literal["revoked", "leaked"]


class ApiKey(msgspec.Struct, frozen=True):
    """A key of a service account. What it may do, and from where, never changes: other rights are another key's.

    `account` is who acts with it: the id of the first of all keys that replaced one another. `digest` is the HMAC-SHA256 of the
    whole key under the pepper of this version. `networks` are those it may be used from; none: from anywhere.
    """

    account: UUID
    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    digest: bytes
    pepper: int
    created_at: datetime
    created_by: UUID
    expires_at: datetime
    rotated_from: UUID | None = None
    rotated_to: UUID | None = None
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    revoke_reason: RevokeReason | None = None


class CreateKey(Command, frozen=True):
    """Makes a key, whose account begins with it. The service has made the digest."""

    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    digest: bytes
    pepper: int
    expires_at: datetime | None = None


class ReplaceKey(Command, frozen=True):
    """Lets another key take this one's place; this one still works for `overlap_s` seconds."""

    successor: UUID
    overlap_s: int


class SucceedKey(Command, frozen=True):
    """Makes the key that takes another one's place, of the same account, with the same rights."""

    predecessor: UUID
    digest: bytes
    pepper: int
    expires_at: datetime | None = None


class ChangeKey(Command, frozen=True):
    """Renames a key, or lets it end at another time; None stays."""

    name: str | None = None
    expires_at: datetime | None = None


class RevokeKey(Command, frozen=True):
    """Ends a key at once, on every node."""

    reason: RevokeReason


class KeyCreated(msgspec.Struct, frozen=True, tag="api-key-created"):
    """The first entry of a key."""

    account: UUID
    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    digest: bytes
    pepper: int
    expires_at: datetime
    by: UUID
    at: datetime
    rotated_from: UUID | None = None


class KeyReplaced(msgspec.Struct, frozen=True, tag="api-key-replaced"):
    """Another key took its place."""

    successor: UUID
    ends_at: datetime
    at: datetime


class KeyRenamed(msgspec.Struct, frozen=True, tag="api-key-renamed"):
    """It goes by another name."""

    name: str


class KeyExpiryChanged(msgspec.Struct, frozen=True, tag="api-key-expiry-changed"):
    """It ends at another time."""

    expires_at: datetime


class KeyRevoked(msgspec.Struct, frozen=True, tag="api-key-revoked"):
    """It is worth nothing any more."""

    reason: RevokeReason
    at: datetime


KeyEvent = KeyCreated | KeyReplaced | KeyRenamed | KeyExpiryChanged | KeyRevoked


class KeyView(msgspec.Struct, frozen=True):
    """A key as administrators see it. `valid_until` is the instant from which it is, or was, worth nothing."""

    id: UUID
    account: UUID
    name: str
    scopes: tuple[str, ...]
    allowed_addresses: tuple[str, ...]
    state: State
    created_at: datetime
    created_by: UUID
    expires_at: datetime
    valid_until: datetime
    rotated_from: UUID | None
    rotated_to: UUID | None
    revoked_at: datetime | None
    revoke_reason: RevokeReason | None
    version: int


class Use(msgspec.Struct, frozen=True):
    """What a key did through one door: how often, first and last, within what is kept of counts."""

    door: str
    operation: str
    count: int
    first_at: datetime
    last_at: datetime


class Network(msgspec.Struct, frozen=True):
    """Where a key was used from. `network` is a keyed digest of the address range: equal ranges have equal ones."""

    network: str
    count: int
    first_at: datetime
    last_at: datetime


class KeyUse(msgspec.Struct, frozen=True):
    """A key and when it was last used; null: not within what is kept of counts."""

    key: KeyView
    last_used_at: datetime | None
    count: int
