"""What a flag is for somebody, and why."""

from collections.abc import Mapping
from hashlib import sha256

from msgspec.structs import replace

from keepwell.domains.flags.models import WHOLE, Asked, Declaration, Evaluation, Flag, Reason, Setup, Value


def evaluate(declared: Declaration, flag: Flag | None, asked: Asked) -> Evaluation:
    """What a declared flag is for who is asked about; `flag` None: the clinic has set nothing."""
    if flag is None:
        return _of(declared, declared.variants, declared.default, "DEFAULT")
    setup = flag.setup
    if not flag.enabled:
        return _of(declared, setup.variants, setup.off, "DISABLED")
    if _in_a_cohort(setup, asked):
        return _of(declared, setup.variants, setup.on, "TARGETING_MATCH")
    if setup.basis_points in (0, WHOLE):
        chosen = setup.on if setup.basis_points else setup.off
        return _of(declared, setup.variants, chosen, "DEFAULT" if setup.cohorts else "STATIC")
    if asked.targeting_key is None:
        return fallback(declared, "TARGETING_KEY_MISSING")
    chosen = setup.on if place(flag.key, setup.salt, asked.targeting_key) < setup.basis_points else setup.off
    return _of(declared, setup.variants, chosen, "SPLIT")


def fallback(declared: Declaration, error_code: str) -> Evaluation:
    """What a flag is where it cannot be evaluated: what the program says."""
    return replace(_of(declared, declared.variants, declared.default, "ERROR"), error_code=error_code)


def place(key: str, salt: str, targeting_key: str) -> int:
    """Where somebody stands among ten thousand, for this flag and salt: always the same, and evenly spread."""
    digest = sha256(f"{key}\0{salt}\0{targeting_key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * WHOLE >> 64


def _in_a_cohort(setup: Setup, asked: Asked) -> bool:
    return any(
        asked.targeting_key in cohort.subjects or not set(cohort.roles).isdisjoint(asked.roles)
        for cohort in setup.cohorts.values()
    )


def _of(declared: Declaration, variants: Mapping[str, Value], variant: str, reason: Reason) -> Evaluation:
    metadata: dict[str, str | int | bool] = {
        "owner": declared.owner,
        "declared": declared.declared.isoformat(),
        "kill_switch": declared.kill_switch,
    }
    return Evaluation(declared.key, variants[variant], variant, reason, metadata=metadata)
