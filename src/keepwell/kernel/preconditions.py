"""What must be so before a command is decided: that its aggregate is there, that the actor may touch it, the version it names."""

from keepwell.kernel.admission import Admitted
from keepwell.kernel.envelope import Envelope, Snapshot
from keepwell.kernel.problems import CONFLICT, FORBIDDEN, NOT_FOUND, VERSION_CONFLICT, Refusal

MOST_BEHIND = 2_000
"""How many versions a change may be behind and still be merged: each is opened while others wait."""


def existence(admitted: Admitted, snapshot: Snapshot | None) -> Refusal | None:
    """A creation needs a fresh id, what can begin an aggregate any, everything else one that is there."""
    if admitted.command_type.begins:
        return None
    if admitted.command_type.creates:
        return None if snapshot is None else Refusal(CONFLICT, "It exists already.")
    return Refusal(NOT_FOUND) if snapshot is None else None


def compartment_kept(admitted: Admitted, snapshot: Snapshot | None) -> Refusal | None:
    """Who is held to its own compartment touches nothing else."""
    if snapshot is None or admitted.grant is None or not admitted.grant.own_compartment_only:
        return None
    subject = None if admitted.aggregate.subject is None else admitted.aggregate.subject(snapshot.state)
    if subject is not None and subject == admitted.envelope.actor.subject:
        return None
    return Refusal(FORBIDDEN, "It belongs to another person.")


def version_matched(admitted: Admitted, snapshot: Snapshot | None) -> Refusal | None:
    """The version named is the newest; 0 is that of an aggregate that is not there."""
    wanted, version = admitted.envelope.if_match, 0 if snapshot is None else snapshot.version
    if wanted is None or wanted == version or admitted.command_type.creates:
        return None
    return Refusal(VERSION_CONFLICT, f"It is at version {version} now.", extra={"current_version": version})


def mergeable(envelope: Envelope, version: int) -> bool:
    """Whether a change asks to be merged and was made from a version not too far behind this one."""
    return envelope.merge and 0 < (envelope.if_match or 0) < version <= (envelope.if_match or 0) + MOST_BEHIND
