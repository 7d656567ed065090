"""What may happen to a flag, and what it is after it happened."""

from msgspec.structs import asdict, replace

from keepwell.domains.flags.errors import FLAG_KILLED, ROLLOUT_NOT_RUNNING, ROLLOUT_RUNNING
from keepwell.domains.flags.models import (
    ChangeFlag,
    Changes,
    Flag,
    FlagEvent,
    FlagKilled,
    FlagRestored,
    FlagSet,
    KillFlag,
    RestoreFlag,
    Rollout,
    RolloutAdvanced,
    RolloutCompleted,
    RolloutStarted,
    RolloutSteppedBack,
    RolloutStopped,
    SetFlag,
    Setup,
    StartRollout,
    StepRollout,
    StopRollout,
    StoredFlag,
)
from keepwell.domains.flags.rules.rollouts import move, share, watched
from keepwell.domains.flags.rules.validity import plan_refusal, setup_refusal
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Refusal


def guard_no_rollout(state: Flag | None, _command: SetFlag | ChangeFlag, _context: Context) -> Refusal | None:
    """While a roll-out says who gets what, nobody else does."""
    rolling = state is not None and state.rollout is not None and state.rollout.status == "running"
    return Refusal(ROLLOUT_RUNNING) if rolling else None


def decide_set(_state: Flag | None, command: SetFlag, _context: Context) -> Decision:
    """A valid setup takes the place of what was set."""
    return setup_refusal(command.type, command.setup) or (FlagSet(command.key, command.setup),)


def decide_change(state: Flag | None, command: ChangeFlag, _context: Context) -> Decision:
    """What is named changes, and the whole must be valid."""
    setup = changed(command.base if state is None else state.setup, command.changes)
    return setup_refusal(command.type, setup) or (FlagSet(command.key, setup),)


def changed(setup: Setup, changes: Changes) -> Setup:
    """A setup with what is named changed."""
    return replace(setup, **{name: value for name, value in asdict(changes).items() if value is not None})


def decide_kill(state: Flag | None, command: KillFlag, _context: Context) -> Decision:
    """Killing what is killed changes nothing."""
    if state is None:
        return FlagSet(command.key, command.base), FlagKilled(command.reason)
    return (FlagKilled(command.reason),) if state.enabled else ()


def decide_restore(state: Flag | None, command: RestoreFlag, _context: Context) -> Decision:
    """Restoring what is not killed changes nothing, but that what was only declared is set from then on."""
    if state is None:
        return (FlagSet(command.key, command.base),)
    return () if state.enabled else (FlagRestored(command.reason),)


def decide_start(state: Flag | None, command: StartRollout, context: Context) -> Decision:
    """A roll-out begins at the first step of its plan, whatever the percentage was."""
    if state is not None and not state.enabled:
        return Refusal(FLAG_KILLED)
    if state is not None and state.rollout is not None and state.rollout.status == "running":
        return Refusal(ROLLOUT_RUNNING)
    if refusal := plan_refusal(command.plan):
        return refusal
    started = RolloutStarted(command.plan, context.now)
    return (started,) if state is not None else (FlagSet(command.key, command.base), started)


def decide_stop(state: Flag, command: StopRollout, _context: Context) -> Decision:
    """A roll-out that is watched ends where it is."""
    if state.rollout is None or not watched(state.rollout):
        return Refusal(ROLLOUT_NOT_RUNNING)
    return (RolloutStopped(command.reason),)


def decide_step(state: Flag, command: StepRollout, context: Context) -> Decision:
    """What the numbers lead to."""
    if state.rollout is None:
        return Refusal(ROLLOUT_NOT_RUNNING)
    moved = move(state.rollout, command.numbers, context.now)
    return () if moved is None else (moved,)


def evolve(state: Flag | None, event: FlagEvent) -> Flag:
    """The flag after one event."""
    if isinstance(event, FlagSet):
        return Flag(event.key, event.setup) if state is None else replace(_stopped(state), setup=event.setup)
    if state is None:
        raise ValueError("a flag begins by being set")
    match event:
        case FlagKilled():
            return replace(_stopped(state), enabled=False)
        case FlagRestored():
            return replace(state, enabled=True)
        case RolloutStarted():
            return _at(state, Rollout(event.plan, 0, event.at))
        case RolloutStopped():
            return _stopped(state)
        case _:
            return _moved(state, event)


def _moved(state: Flag, event: RolloutAdvanced | RolloutCompleted | RolloutSteppedBack) -> Flag:
    if state.rollout is None:
        raise ValueError("what moves is a roll-out")
    match event:
        case RolloutAdvanced():
            return _at(state, replace(state.rollout, step=event.step, since=event.at))
        case RolloutSteppedBack():
            return _at(state, replace(state.rollout, step=event.step, since=event.at, status="stepped-back"))
        case RolloutCompleted():
            return replace(state, rollout=replace(state.rollout, status="completed"))


def _at(state: Flag, rollout: Rollout) -> Flag:
    return replace(state, setup=replace(state.setup, basis_points=share(rollout)), rollout=rollout)


def _stopped(state: Flag) -> Flag:
    """The flag with a roll-out that is watched ended."""
    if state.rollout is None or not watched(state.rollout):
        return state
    return replace(state, rollout=replace(state.rollout, status="stopped"))


def view(snapshot: Snapshot) -> StoredFlag:
    """The flag as stored."""
    flag: Flag = snapshot.state
    setup = flag.setup
    return StoredFlag(
        flag.key,
        snapshot.version,
        flag.enabled,
        setup.variants,
        setup.on,
        setup.off,
        setup.basis_points,
        setup.cohorts,
        setup.salt,
        flag.rollout,
        snapshot.updated_at,
    )
