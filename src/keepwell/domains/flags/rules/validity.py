"""Whether a setup or a plan can be: values of the flag's type, names that name something, steps that rise."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from keepwell.domains.flags.errors import INVALID_FLAG
from keepwell.domains.flags.models import WHOLE, FlagType, Plan, Setup, Value
from keepwell.kernel.problems import Fault, Refusal

MOST_VARIANTS = 20
MOST_COHORTS = 50
MOST_MEMBERS = 10_000
MOST_STEPS = 50
LONGEST_HOLD = 90 * 86_400
_LONGEST_NAME = 64


def _is_whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_IS: dict[FlagType, Callable[[Value], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": _is_whole,
    "number": lambda value: isinstance(value, float) or _is_whole(value),
    "object": lambda value: isinstance(value, dict),
}


def setup_refusal(type_: FlagType, setup: Setup) -> Refusal | None:
    """Why a flag of this type cannot be set up like this."""
    faults = (*_variant_faults(type_, setup), *_cohort_faults(setup))
    return Refusal(INVALID_FLAG, faults=faults) if faults else None


def plan_refusal(plan: Plan) -> Refusal | None:
    """Why no roll-out can go by this plan."""
    faults = tuple(_plan_faults(plan))
    return Refusal(INVALID_FLAG, faults=faults) if faults else None


def _variant_faults(type_: FlagType, setup: Setup) -> Iterator[Fault]:
    if len(setup.variants) > MOST_VARIANTS:
        yield Fault("/variants", "limit", f"A flag has at most {MOST_VARIANTS} variants.")
    for place, (name, value) in enumerate(setup.variants.items()):
        if not _is_name(name):
            yield Fault("/variants", "name", f"Variant {place + 1}: a name has 1 to {_LONGEST_NAME} printable characters.")
        if not _IS[type_](value):
            yield Fault("/variants", "wrong-type", f"Variant {place + 1}: the values of this flag are of type {type_}.")
    for pointer, name in (("/on", setup.on), ("/off", setup.off)):
        if name not in setup.variants:
            yield Fault(pointer, "unknown-variant", "There is no variant of this name.")
    if setup.on == setup.off:
        yield Fault("/off", "same-variant", "Who is in and who is not get different variants.")
    if not 0 <= setup.basis_points <= WHOLE:
        yield Fault("/basis_points", "range", f"Basis points are from 0 to {WHOLE}.")
    if len(setup.salt) > _LONGEST_NAME:
        yield Fault("/salt", "limit", f"A salt has at most {_LONGEST_NAME} characters.")


def _cohort_faults(setup: Setup) -> Iterator[Fault]:
    if len(setup.cohorts) > MOST_COHORTS:
        yield Fault("/cohorts", "limit", f"A flag has at most {MOST_COHORTS} cohorts.")
    if sum(len(cohort.subjects) + len(cohort.roles) for cohort in setup.cohorts.values()) > MOST_MEMBERS:
        yield Fault("/cohorts", "limit", f"The cohorts of a flag have at most {MOST_MEMBERS} members together.")
    for place, (name, cohort) in enumerate(setup.cohorts.items()):
        if not _is_name(name):
            yield Fault("/cohorts", "name", f"Cohort {place + 1}: a name has 1 to {_LONGEST_NAME} printable characters.")
        if not all(0 < len(each) <= 255 for each in (*cohort.subjects, *cohort.roles)):
            yield Fault("/cohorts", "member", f"Cohort {place + 1}: a member has 1 to 255 characters.")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


def _plan_faults(plan: Plan) -> Iterator[Fault]:
    steps, guard = plan.steps, plan.guard
    if not 0 < len(steps) <= MOST_STEPS:
        yield Fault("/steps", "limit", f"A plan has 1 to {MOST_STEPS} steps.")
    if not all(0 < step <= WHOLE for step in steps):
        yield Fault("/steps", "range", f"A step is from 1 to {WHOLE} basis points.")
    if any(later <= earlier for earlier, later in pairwise(steps)):
        yield Fault("/steps", "order", "Each step is larger than the one before.")
    if not 0 < plan.hold_s <= LONGEST_HOLD:
        yield Fault("/hold_s", "range", f"A step is held for 1 to {LONGEST_HOLD} seconds.")
    if not 0 <= guard.maximum_error_rate < 1:
        yield Fault("/guard/maximum_error_rate", "range", "A rate is from 0 to less than 1.")
    if not 0 < guard.minimum_sample <= 1_000_000:
        yield Fault("/guard/minimum_sample", "range", "A sample has 1 to 1000000 requests.")
    if guard.maximum_ratio is not None and not 1 <= guard.maximum_ratio <= 1_000:
        yield Fault("/guard/maximum_ratio", "range", "A ratio is from 1 to 1000.")
