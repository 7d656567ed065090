"""The commands that change a clinic's flag, from what the program declares of it and what somebody wants."""

from uuid import UUID

from keepwell.domains.flags.models import (
    ChangeFlag,
    Changes,
    Declaration,
    KillFlag,
    Plan,
    RestoreFlag,
    SetFlag,
    StartRollout,
    StopRollout,
)
from keepwell.domains.flags.rules.lifecycle import changed
from keepwell.domains.flags.rules.naming import base, flag_id


def setting(tenant: UUID, declared: Declaration, changes: Changes) -> SetFlag:
    """Sets all of a flag; what `changes` does not name is as declared."""
    return SetFlag(flag_id(tenant, declared.key), declared.key, declared.type, changed(base(declared), changes))


def changing(tenant: UUID, declared: Declaration, changes: Changes) -> ChangeFlag:
    """Changes what `changes` names."""
    return ChangeFlag(flag_id(tenant, declared.key), declared.key, declared.type, base(declared), changes)


def killing(tenant: UUID, declared: Declaration, reason: str) -> KillFlag:
    """Turns a flag off for everybody."""
    return KillFlag(flag_id(tenant, declared.key), declared.key, base(declared), reason)


def restoring(tenant: UUID, declared: Declaration, reason: str) -> RestoreFlag:
    """Takes a kill back."""
    return RestoreFlag(flag_id(tenant, declared.key), declared.key, base(declared), reason)


def starting(tenant: UUID, declared: Declaration, plan: Plan) -> StartRollout:
    """Begins a roll-out."""
    return StartRollout(flag_id(tenant, declared.key), declared.key, base(declared), plan)


def stopping(tenant: UUID, declared: Declaration, reason: str) -> StopRollout:
    """Ends a roll-out."""
    return StopRollout(flag_id(tenant, declared.key), reason)
