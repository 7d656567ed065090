"""What may happen to a monitor, and to what a clinic's monitors may reach."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from keepwell.domains.monitors.errors import INVALID_MONITOR, NO_HEARTBEAT
from keepwell.domains.monitors.models import (
    AllowPrivate,
    ChangeMonitor,
    Changes,
    Configuration,
    CreateMonitor,
    DeleteMonitor,
    HeartbeatRotated,
    Monitor,
    MonitorChanged,
    MonitorCreated,
    MonitorDeleted,
    MonitorEvent,
    MonitorPaused,
    MonitorPolicy,
    MonitorResumed,
    MonitorView,
    PauseMonitor,
    PolicyEvent,
    PolicyView,
    PrivateAllowed,
    ResumeMonitor,
    RotateHeartbeat,
    Secrets,
    SecretsChange,
    SecretsShown,
)
from keepwell.domains.monitors.rules import requests, validity, windows
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Command, Context, Reference, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Refusal

KIND, POLICY = "monitor", "monitor-policy"
RESOURCE, POLICY_RESOURCE = "Monitor", "MonitorPolicy"


def create_references(_state: Monitor | None, command: CreateMonitor) -> tuple[Reference, ...]:
    """The parent, as it is now."""
    return _parent_reference(command.configuration.parent)


def change_references(_state: Monitor | None, command: ChangeMonitor) -> tuple[Reference, ...]:
    """As above."""
    parent = command.changes.parent
    return () if parent is UNSET else _parent_reference(parent)


def decide_create(_state: Monitor | None, command: CreateMonitor, context: Context) -> Decision:
    """A monitor that can be checked as it is, or none."""
    configuration = normal(command.configuration)
    found = validity.faults(configuration, private=command.private)
    found += validity.parent_faults(command.id, configuration.parent, usable=_usable(command.id, configuration.parent, context))
    if found:
        return Refusal(INVALID_MONITOR, faults=found)
    digest = command.heartbeat_digest if configuration.kind == "heartbeat" else None
    made = MonitorCreated(command.id, configuration, context.now, context.actor.id, digest, command.source, command.paused)
    return (made,)


def guard_exists(state: Monitor, _command: Command, _context: Context) -> Refusal | None:
    """What was deleted is not there any more."""
    return Refusal(NOT_FOUND) if state.deleted else None


def decide_change(state: Monitor, command: ChangeMonitor, context: Context) -> Decision:
    """One event, if anything differs. What is not told to change is not judged by where it leads: that is done at each check."""
    before = configuration_of(state)
    after = normal(changed(before, command.changes))
    private = command.private or (before.target, before.dns, before.steps) == (after.target, after.dns, after.steps)
    found = validity.faults(after, private=private)
    if command.changes.parent is not UNSET:
        found += validity.parent_faults(state.id, after.parent, usable=_usable(state.id, after.parent, context))
    if found:
        return Refusal(INVALID_MONITOR, faults=found)
    source = state.source if command.source is None else command.source
    return () if (after, source) == (before, state.source) else (MonitorChanged(after, source),)


def decide_pause(state: Monitor, _command: PauseMonitor, context: Context) -> Decision:
    """Nothing, where it is paused already."""
    return () if state.paused else (MonitorPaused(context.now),)


def decide_resume(state: Monitor, _command: ResumeMonitor, context: Context) -> Decision:
    """Nothing, where it is not paused."""
    return (MonitorResumed(context.now),) if state.paused else ()


def decide_delete(_state: Monitor, _command: DeleteMonitor, context: Context) -> Decision:
    """For good."""
    return (MonitorDeleted(context.now),)


def decide_rotate(state: Monitor, command: RotateHeartbeat, _context: Context) -> Decision:
    """Only what waits for beats has a token."""
    return Refusal(NO_HEARTBEAT) if state.kind != "heartbeat" else (HeartbeatRotated(command.digest),)


def decide_allow(state: MonitorPolicy | None, command: AllowPrivate, _context: Context) -> Decision:
    """Nothing, where it is so already; without a word from an operator, it is not."""
    return () if command.private == (state is not None and state.private) else (PrivateAllowed(command.private),)


def evolve(state: Monitor | None, event: MonitorEvent) -> Monitor:
    """The monitor after one event."""
    if isinstance(event, MonitorCreated):
        said: dict[str, Any] = _fields(event.configuration)
        said |= {"heartbeat_digest": event.heartbeat_digest, "source": event.source, "paused": event.paused}
        return Monitor(id=event.id, created_at=event.at, created_by=event.by, **said)
    if state is None:
        raise ValueError("a monitor begins with monitor-created")
    match event:
        case MonitorChanged():
            return replace(state, **_fields(event.configuration), source=event.source)
        case MonitorPaused():
            return replace(state, paused=True)
        case MonitorResumed():
            return replace(state, paused=False)
        case MonitorDeleted():
            return replace(state, deleted=True, heartbeat_digest=None)
        case HeartbeatRotated():
            return replace(state, heartbeat_digest=event.digest)


def evolve_policy(_state: MonitorPolicy | None, event: PolicyEvent) -> MonitorPolicy:
    """What is allowed after one event."""
    return MonitorPolicy(event.private)


def configuration_of(state: Monitor) -> Configuration:
    """What was said of a monitor."""
    return Configuration(**{name: getattr(state, name) for name in Configuration.__struct_fields__})


def normal(configuration: Configuration) -> Configuration:
    """The same in one form: trimmed, instants in UTC, methods in capitals, secrets apart."""
    http = replace(configuration.http, method=configuration.http.method.upper())
    maintenance = tuple(map(windows.in_utc, configuration.maintenance))
    return requests.apart(replace(configuration, name=configuration.name.strip(), http=http, maintenance=maintenance))


def changed(configuration: Configuration, changes: Changes) -> Configuration:
    """The configuration with what is given in place of what was there; of secrets, each by itself."""
    said = {name: value for name in Changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
    if isinstance(changes.secrets, SecretsChange):
        said["secrets"] = _secrets(configuration.secrets, changes.secrets)
    return replace(configuration, **said)


def _secrets(secrets: Secrets, change: SecretsChange) -> Secrets:
    said: dict[str, Any] = {}
    for name in ("basic", "bearer", "client_certificate"):
        if (value := getattr(change, name)) is not UNSET:
            said[name] = value
    for name in ("headers", "variables"):
        if (named := getattr(change, name)) is not UNSET:
            said[name] = _merged(getattr(secrets, name), named)
    return replace(secrets, **said)


def _merged(before: Mapping[str, str], named: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in (dict(before) | dict(named)).items() if value is not None}


def _fields(configuration: Configuration) -> dict[str, Any]:
    return {name: getattr(configuration, name) for name in Configuration.__struct_fields__}


def _parent_reference(parent: UUID | None) -> tuple[Reference, ...]:
    return () if parent is None else (Reference(KIND, parent, fresh=True),)


def _usable(monitor: UUID, parent: UUID | None, context: Context) -> bool:
    snapshot = None if parent is None else context.references.get((KIND, parent))
    state: Monitor | None = None if snapshot is None else snapshot.state
    return state is not None and not state.deleted and state.parent != monitor


def view(snapshot: Snapshot) -> MonitorView:
    """The monitor as callers see it: of secrets only which there are."""
    state: Monitor = snapshot.state
    kind = state.kind
    said = {name: getattr(state, name) for name in MonitorView.__struct_fields__ if hasattr(state, name)}
    said |= {
        "http": state.http if kind in ("http", "flow") else None,
        "tcp": state.tcp if kind == "tcp" else None,
        "tls": state.tls if kind == "tls" else None,
        "dns": state.dns if kind == "dns" else None,
        "secrets": _shown(state.secrets),
        "imported_from": None if state.source is None else state.source.system,
        "version": snapshot.version,
        "updated_at": snapshot.updated_at,
    }
    return MonitorView(**said)


def view_policy(snapshot: Snapshot) -> PolicyView:
    """As operators see it."""
    return PolicyView(snapshot.state.private)


def _shown(secrets: Secrets) -> SecretsShown:
    return SecretsShown(
        secrets.basic is not None,
        secrets.bearer is not None,
        secrets.client_certificate is not None,
        tuple(sorted(secrets.headers)),
        tuple(sorted(secrets.variables)),
    )
