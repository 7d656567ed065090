"""A clinic as a tenant: its state, the one command that makes it, and what others see of it."""

from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command


class Tenant(msgspec.Struct, frozen=True):
    """A clinic. `slug` is its short name in addresses and at login, unique over all clinics; `active` lets its people log in."""

    slug: str
    name: str
    created_at: datetime
    active: bool = True


class CreateTenant(Command, frozen=True):
    """Opens a clinic. Its `id` becomes the tenant id of everything the clinic ever stores, this aggregate included."""

    slug: str
    name: str


class CloseTenant(Command, frozen=True):
    """Closes the clinic: nobody finds it to log in any more. There is no way back."""


class TenantCreated(msgspec.Struct, frozen=True, tag="tenant-created"):
    """The first entry of a clinic's own journal."""

    slug: str
    name: str
    at: datetime


class TenantClosed(msgspec.Struct, frozen=True, tag="tenant-closed"):
    """The last entry of a clinic's own journal."""

    at: datetime


TenantEvent = TenantCreated | TenantClosed


class TenantView(msgspec.Struct, frozen=True):
    """A clinic as operators see it."""

    id: UUID
    slug: str
    name: str
    active: bool
    created_at: datetime
    version: int


class Clinic(msgspec.Struct, frozen=True):
    """A clinic as people who log in see it."""

    id: UUID
    slug: str
    name: str
