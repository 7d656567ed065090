"""What a login asks about: which factors a person has, and what the clinic asks for."""

from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.factors.models import Factors, First, LoginPolicy, Second
from keepwell.domains.factors.rules.lifecycle import methods
from keepwell.domains.identity import Role
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_ASKED = """
    SELECT (SELECT methods FROM factor WHERE tenant_id = $1 AND id = $2) AS methods, p.allowed, p.required_for
    FROM (SELECT 1) one LEFT JOIN login_policy p ON p.tenant_id = $1 AND p.id = $1
"""


class Asked(msgspec.Struct, frozen=True):
    """What a person has, and what the clinic asks for."""

    methods: tuple[Second, ...]
    policy: LoginPolicy


def _factor_row(snapshot: Snapshot, _blind: object) -> tuple[str]:
    state: Factors = snapshot.state
    return (" ".join(methods(state)),)


def _policy_row(snapshot: Snapshot, _blind: object) -> tuple[str, str]:
    policy: LoginPolicy = snapshot.state
    return (" ".join(policy.allowed), " ".join(policy.required_for))


FACTORS = Lookup(table="factor", columns={"methods": "text"}, row=_factor_row)
POLICIES = Lookup(table="login_policy", columns={"allowed": "text", "required_for": "text"}, row=_policy_row)


async def asked(connection: Any, tenant: UUID, user: UUID) -> Asked:
    """What is asked of a person at login."""
    row = await connection.fetchrow(_ASKED, tenant, user)
    policy = LoginPolicy()
    if row["allowed"] is not None:
        allowed = msgspec.convert(row["allowed"].split(), tuple[First, ...])
        policy = LoginPolicy(allowed, msgspec.convert(row["required_for"].split(), tuple[Role, ...]))
    return Asked(msgspec.convert((row["methods"] or "").split(), tuple[Second, ...]), policy)
