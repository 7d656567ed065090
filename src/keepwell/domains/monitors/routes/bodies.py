"""What requests about monitors carry, and the lists they get."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from keepwell.domains.incidents import Severity
from keepwell.domains.monitors.models import (
    Assertion,
    Configuration,
    Dns,
    Heartbeat,
    Http,
    Kind,
    Maintenance,
    MonitorView,
    Noticing,
    Priority,
    Recurring,
    Secrets,
    Step,
    Tcp,
    Tls,
)
from keepwell.domains.monitors.rules.importing import System

_USUAL_TIMEOUT_S, _USUAL_RETRY_S, _USUAL_GRACE_S = 10.0, 30, 60
Text = Annotated[str, Meta(max_length=2_000)]


class NewMonitor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to watch. `target` is an address for `http` and `flow`, a host and port for `tcp` and `tls`, a name for `dns`, and
    empty for `heartbeat`. Without `timeout_s` it is 10 seconds or the interval, whichever is less; without `retry_interval_s`, 30
    or the interval. Without `quorum`, most regions have to agree. A heartbeat that says no more is waited for every `interval_s`.
    """

    name: Text
    kind: Kind = "http"
    target: Text | None = ""
    interval_s: int = 60
    timeout_s: float | None = None
    retries: int = 2
    retry_interval_s: int | None = None
    regions: tuple[Text, ...] = ("default",)
    quorum: int | None = None
    assertions: tuple[Assertion, ...] = ()
    priority: Priority = "normal"
    severity: Severity = "critical"
    http: Http = Http()
    tcp: Tcp = Tcp()
    tls: Tls = Tls()
    dns: Dns = Dns()
    heartbeat: Heartbeat | None = None
    steps: tuple[Step, ...] = ()
    secrets: Secrets = Secrets()
    parent: UUID | None = None
    maintenance: tuple[Maintenance, ...] = ()
    service_hours: tuple[Recurring, ...] = ()
    runbook: Text = ""
    group: Text = ""
    tags: tuple[Text, ...] = ()
    anomalies: Noticing = "record"

    def configuration(self) -> Configuration:
        """All that is said, and what is usual where nothing is."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.__struct_fields__} | {"target": self.target or ""}
        if self.kind == "heartbeat" and self.heartbeat is None:
            said["heartbeat"] = Heartbeat(self.interval_s, grace_s=min(_USUAL_GRACE_S, max(self.interval_s, 0)))
        if self.timeout_s is None:
            said["timeout_s"] = min(_USUAL_TIMEOUT_S, float(max(self.interval_s, 1)))
        if self.retry_interval_s is None:
            said["retry_interval_s"] = min(_USUAL_RETRY_S, max(self.interval_s, 1))
        return Configuration(**said)


class ImportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of another program, as it wrote them, each as one text. With `dry_run` it is only said what would become of them."""

    system: System = msgspec.field(name="from")
    files: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)]
    dry_run: bool = False


class MadeMonitor(MonitorView, frozen=True, kw_only=True):
    """A monitor, and of a heartbeat the token of its beats and the path they are sent to: shown once."""

    heartbeat_token: str | UnsetType = UNSET
    heartbeat_path: str | UnsetType = UNSET


class MonitorList(msgspec.Struct, frozen=True):
    """Monitors."""

    items: list[MonitorView]
    next: str | None
