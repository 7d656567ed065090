"""The life of a batch: which status may follow which."""

from typing import Any

from msgspec.structs import replace

from keepwell.domains.enrollment.errors import BATCH_STATUS, UPLOAD_GONE
from keepwell.domains.enrollment.models import (
    Batch,
    BatchEvent,
    BatchMoved,
    BatchReceived,
    BatchState,
    CancelBatch,
    CreateBatch,
    FinishBatch,
    ForgetUpload,
    PauseBatch,
    ReopenBatch,
    ResumeBatch,
    RollBackBatch,
    StartBatch,
    Status,
    Uploader,
    UploadForgotten,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Refusal

_ENDED: tuple[Status, ...] = ("completed", "failed", "cancelled")


def decide_create(_state: None, command: CreateBatch, context: Context) -> Decision:
    """What is stored of the upload is a batch from now on; this is the instant it was received."""
    uploader = Uploader(context.actor.id, context.actor.role, context.actor.scopes)
    about = (command.id, command.program, command.period, command.mapping, uploader, context.now)
    return (BatchReceived(Batch(*about, command.total, command.digest, command.dry_run, command.atomic)),)


def decide_start(state: Batch, _command: StartBatch, context: Context) -> Decision:
    """Who starts it second finds it started."""
    if state.status == "running":
        return ()
    return _moved(state, ("queued",), "running", context)


def decide_pause(state: Batch, _command: PauseBatch, context: Context) -> Decision:
    """It rests between two parts."""
    return () if state.status == "paused" else _moved(state, ("queued", "running"), "paused", context)


def decide_resume(state: Batch, _command: ResumeBatch, context: Context) -> Decision:
    """It goes on where it was."""
    return _moved(state, ("paused",), "queued" if state.started_at is None else "running", context)


def decide_cancel(state: Batch, _command: CancelBatch, context: Context) -> Decision:
    """Of an atomic one nothing stays. What is being taken back is not left half-way."""
    if state.status == "cancelled":
        return ()
    if state.task == "roll-back" or state.status not in ("queued", "running", "paused"):
        return _wrong(state)
    if state.atomic and not state.dry_run and state.started_at is not None:
        return (BatchMoved("running", "roll-back", context.now, ends="cancelled"),)
    return (BatchMoved("cancelled", "enroll", context.now),)


def decide_roll_back(state: Batch, command: RollBackBatch, context: Context) -> Decision:
    """What was only tried out has nothing to take back."""
    allowed = ("running",) if command.failed else _ENDED
    if state.status not in allowed or state.dry_run:
        return _wrong(state)
    reason, ends = ("changed-during-run", "failed") if command.failed else (None, "rolled-back")
    return (BatchMoved("running", "roll-back", context.now, reason, ends=ends),)


def decide_reopen(state: Batch, _command: ReopenBatch, context: Context) -> Decision:
    """Rows that did not come through may be tried again once the others have."""
    if state.status != "completed":
        return _wrong(state)
    if state.upload_gone:
        return Refusal(UPLOAD_GONE)
    return (BatchMoved("running", "enroll", context.now),)


def decide_forget(state: Batch, command: ForgetUpload, context: Context) -> Decision:
    """Only what ended long enough ago: nobody runs it, and its time to be run again is over."""
    if state.upload_gone:
        return ()
    if state.finished_at is None or state.finished_at >= command.before:
        return _wrong(state)
    return (UploadForgotten(context.now),)


def decide_finish(state: Batch, command: FinishBatch, context: Context) -> Decision:
    """Only what is worked on ends; who ends it second finds it ended."""
    if state.status == command.status:
        return ()
    if state.status not in ("running", "queued"):
        return _wrong(state)
    return (BatchMoved(command.status, state.task, context.now, command.reason or state.reason, command.left),)


COMMANDS: tuple[tuple[str, Any, Any, bool], ...] = (
    ("upload", CreateBatch, decide_create, True),
    ("start", StartBatch, decide_start, False),
    ("pause", PauseBatch, decide_pause, False),
    ("resume", ResumeBatch, decide_resume, False),
    ("cancel", CancelBatch, decide_cancel, False),
    ("roll-back", RollBackBatch, decide_roll_back, False),
    ("reopen", ReopenBatch, decide_reopen, False),
    ("forget-upload", ForgetUpload, decide_forget, False),
    ("finish", FinishBatch, decide_finish, False),
)
"""Name, command, rule, and whether it creates the batch."""


def _moved(state: Batch, allowed: tuple[Status, ...], status: Status, context: Context) -> Decision:
    if state.status not in allowed:
        return _wrong(state)
    return (BatchMoved(status, state.task, context.now, state.reason, ends=state.ends),)


def _wrong(state: Batch) -> Refusal:
    tried = " of a dry run" if state.dry_run else ""
    return Refusal(BATCH_STATUS, f"Its status is {state.status}{tried}.", extra={"batch_status": state.status})


def evolve(state: Batch | None, event: BatchEvent) -> Batch:
    """The batch after one event."""
    if isinstance(event, BatchReceived):
        return event.batch
    if state is None:
        raise ValueError("a batch begins by being received")
    if isinstance(event, UploadForgotten):
        return replace(state, upload_gone=True)
    started = event.at if state.started_at is None and event.status == "running" else state.started_at
    ended = event.status in (*_ENDED, "rolled-back")
    finished = event.at if ended else None
    moved = {"status": event.status, "task": event.task, "reason": event.reason, "left": event.left, "ends": event.ends}
    return replace(state, started_at=started, finished_at=finished, **moved)


def runnable(state: Batch) -> bool:
    """Whether somebody has to work on it."""
    return state.status in ("queued", "running")


def view(snapshot: Snapshot) -> BatchState:
    """What its commands answer."""
    state: Batch = snapshot.state
    return BatchState(*(getattr(state, name) for name in BatchState.__struct_fields__))
