"""What the document shows of this room's routes: a flag that is set, killed, restored and rolled out."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.flags.errors import INVALID_FLAG
from keepwell.domains.flags.models import Cohort, Declared, Evaluation, FlagView, Plan, Rollout, StaleFlag
from keepwell.domains.flags.routes.bodies import (
    Context,
    FlagChange,
    FlagHistory,
    FlagList,
    Reason,
    RolloutPlan,
    StaleFlags,
)
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_KEY = "merge-by-default"
_SINCE = date(2026, 11, 25)
_AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
_PERSON = "01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"
_DECLARED = Declared(
    type="boolean",
    description="A change made from an older version is merged when the caller does not say what is to become of it.",
    owner="records",
    since=_SINCE,
    default=False,
    kill_switch=False,
)
_STEPS = (50, 500, 10_000)


def _seen(version: int, basis_points: int, *, enabled: bool = True, rollout: Rollout | None = None) -> FlagView:
    """The flag at one of its versions."""
    return FlagView(
        key=_KEY,
        version=version,
        enabled=enabled,
        variants={"on": True, "off": False},
        on="on",
        off="off",
        basis_points=basis_points,
        cohorts={"pilot": Cohort(subjects=(_PERSON,))},
        salt="",
        rollout=rollout,
        updated_at=_AT,
        declared=_DECLARED,
    )


def _why(text: str, flag: FlagView) -> Example:
    return Example(Reason(text), flag)


_SET = _seen(1, 10)
_CHANGE: dict[str, Any] = {
    "key": _KEY,
    "setup": {
        "variants": _SET.variants,
        "on": "on",
        "off": "off",
        "basis_points": 10,
        "cohorts": _SET.cohorts,
        "salt": "",
    },
}
_MOVING = Rollout(Plan(_STEPS, 3_600), 0, _AT)

EVALUATE = Example(
    Context("somebody", ("clinician",)),
    Evaluation(_KEY, False, "off", "DEFAULT", metadata={"owner": "records", "declared": "2026-11-25", "kill_switch": False}),  # noqa: FBT003 - a field's value
)
PUT = Example(
    {"basis_points": 10, "cohorts": {"pilot": {"subjects": [_PERSON]}}},
    _SET,
    (Refusal(INVALID_FLAG, faults=(Fault("/basis_points", "range", "Basis points are from 0 to 10000."),)),),
)
SHOW = Example(answer=_SET)
PAGE = Example(answer=FlagList([_SET], None))
HISTORY = Example(
    answer=FlagHistory(
        [
            FlagChange(
                version=1,
                at=_AT,
                type="set",
                actor=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f5"),
                role="admin",
                door="http",
                request_id="01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25",
                event=_CHANGE,
            )
        ],
        None,
    )
)
STALE = Example(answer=StaleFlags([StaleFlag(_KEY, ("decided",), "records", _SINCE, _AT, _AT)], None))
PATCH = Example({"basis_points": 20}, _seen(2, 20))
KILL = _why("merged changes surprised somebody", _seen(3, 20, enabled=False))
RESTORE = _why("it was something else", _seen(4, 20))
START = Example(RolloutPlan(_STEPS, 3_600), _seen(5, 50, rollout=_MOVING))
STOP = _why("that is enough for now", _seen(6, 50, rollout=msgspec.structs.replace(_MOVING, status="stopped")))
