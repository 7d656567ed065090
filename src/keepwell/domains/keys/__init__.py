"""Keys by which programs come in, as service accounts: what they may do, what they did, and what to do when one leaks."""

from keepwell.domains.keys.models import ApiKey, ChangeKey, CreateKey, KeyEvent, ReplaceKey, RevokeKey, SucceedKey
from keepwell.domains.keys.rules import lifecycle
from keepwell.domains.keys.rules.texts import PREFIX
from keepwell.domains.keys.service import HOURS, RESOURCE, USES, KeyService
from keepwell.domains.keys.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_CREATE, _UPDATE = Permission(RESOURCE, "c"), Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=lifecycle.KIND,
        resource=RESOURCE,
        state=ApiKey,
        event=KeyEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        commands=(
            CommandType(
                "keys.create",
                CreateKey,
                _CREATE,
                lifecycle.decide_create,
                creates=True,
                guarded=False,
                made_by_door=("digest",),
            ),
            CommandType(
                "keys.replace",
                ReplaceKey,
                _UPDATE,
                lifecycle.decide_replace,
                guard=lifecycle.guard_replace,
                guarded=False,
                made_by_door=("successor",),
            ),
            CommandType(
                "keys.succeed",
                SucceedKey,
                _CREATE,
                lifecycle.decide_succeed,
                creates=True,
                guarded=False,
                references=lifecycle.succeed_references,
                made_by_door=("digest",),
            ),
            CommandType("keys.change", ChangeKey, _UPDATE, lifecycle.decide_change, guard=lifecycle.guard_not_revoked),
            CommandType("keys.revoke", RevokeKey, Permission(RESOURCE, "d"), lifecycle.decide_revoke, guarded=False),
        ),
        lookup=LOOKUP,
        valid_until=lifecycle.valid_until,
        announced=True,
    ),
)
"""Kind `api-key`: a credential like a session."""

TALLIES = (USES, HOURS)
"""What this room counts."""

__all__ = ["AGGREGATES", "PREFIX", "TALLIES", "KeyService"]
