"""Finding accounts by e-mail address over all clinics, before anyone has logged in."""

from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity import store
from keepwell.domains.identity.rules.people import normal_email
from keepwell.domains.tenants import Clinic, clinic_by_slug, clinics, operator
from keepwell.kernel import Kernel, Origin, Permission, Search
from keepwell.kit.ids import NIL

_SEARCH = Permission("User", "s")


class Found(msgspec.Struct, frozen=True):
    """What the directory knows of an address. `named` is the clinic asked for, None when there is none of that name."""

    email_index: bytes
    accounts: tuple[store.Account, ...]
    clinics: dict[UUID, Clinic]
    named: Clinic | None = None


async def look_up(kernel: Kernel, email: str, origin: Origin, action: str, clinic: str | None = None) -> Found:
    """The accounts under an address, those that may log in first, and the active clinics they belong to.

    Raises:
        Refused: the database is out of reach.
    """

    async def query(connection: Any) -> Found:
        # The index key is the system's own, not a clinic's: the same address gives the same index everywhere.
        index = kernel.blind(NIL)(f"email:{normal_email(email)}")
        named = None if clinic is None else await clinic_by_slug(connection, clinic)
        accounts = await store.accounts(connection, index)
        known = await clinics(connection, [account.tenant for account in accounts])
        return Found(index, tuple(accounts), known, named)

    return await kernel.search(Search("user", operator(NIL), origin, _SEARCH, action), query)
