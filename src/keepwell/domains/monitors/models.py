"""The nouns of this room: monitors, what each asks of its target, when it is not meant to be judged, and what was seen."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from keepwell.domains.incidents import Severity
from keepwell.kernel.envelope import Command
from keepwell.kernel.problems import Fault

Kind = Literal["http", "tcp", "dns", "tls", "heartbeat", "flow"]
Priority = Literal["high", "normal", "low"]
Suspension = Literal["deleted", "paused", "maintenance", "outside-service-hours"]
"""Why what is seen of a target is not held against it."""
Noticing = Literal["off", "record", "incident"]
"""What becomes of a latency or errors that are not as usual: nothing, a record of it, or an incident too."""

Subject = Literal["status", "header", "body", "json", "json-length", "latency", "certificate-days", "record"]
"""What an assertion is about: `latency` in milliseconds, `certificate-days` the days until it expires, `record` the records
that DNS answered with; of `json` and `json-length` the `name` is a path such as `$.data[0].id`, of `header` the header's name.
"""
Comparison = Literal[
    "equals", "not-equals", "contains", "not-contains", "matches", "not-matches", "below", "above", "within", "present", "absent"
]
Scalar = str | int | float | bool | None


class Assertion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has to hold of an answer. `within` is for status codes, such as `200-299,404`; `matches` takes a pattern of RE2."""

    on: Subject
    compare: Comparison
    value: Scalar = None
    name: str = ""


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an HTTP request is made. `{{name}}` in header values and bodies stands for a secret variable."""

    method: str = "GET"
    headers: dict[str, str] = {}
    body: str | None = None
    follow_redirects: bool = True
    verify: bool = True


class Extract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value carried from a step to those after it, where it stands as `{{name}}`: of `json` by path, of a header by its name,
    of the body by a pattern of RE2 with one group.
    """

    name: str
    source: Literal["json", "header", "body"]
    path: str


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of a flow. `url` is an address, or a path beneath the monitor's target. Credentials go to the target's own
    origin only.
    """

    name: str
    url: str
    http: Http = Http()
    assertions: tuple[Assertion, ...] = ()
    extract: tuple[Extract, ...] = ()


class Tcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent once the connection stands; nothing: that it stands is enough."""

    send: str | None = None


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the certificate has to be one that the world trusts, for this name."""

    verify: bool = True


class Dns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record is asked for, and whom; without a server the machine's own."""

    record: Literal["A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT", "CAA", "PTR"] = "A"
    server: str | None = None


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a beat has to come: each `period_s` after the one before, or whenever `cron` comes true by the clocks of `time_zone`;
    and how late it may be.
    """

    period_s: int | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    grace_s: int = 60


class Recurring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of time that begins whenever `cron` comes true by the clocks of `time_zone`. It lasts `duration_s` seconds, or
    ends when those clocks next show `until`, such as `06:00`, however long that is on days when they change.
    """

    cron: str
    time_zone: str
    duration_s: int | None = None
    until: str | None = None


class Maintenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window in which nothing is held against the target: once, from an instant to another, or again and again. Of one that
    recurs, the instants are when it begins and ceases to.
    """

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    recurring: Recurring | None = None
    reason: str = ""


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and password for HTTP's Basic authentication."""

    username: str
    password: str


class ClientCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate, with its chain, and its key, both in PEM."""

    certificate: str
    key: str


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves to a target who asks. Goes in, is sealed with the state, and never comes out again but to the target."""

    basic: Basic | None = None
    bearer: str | None = None
    client_certificate: ClientCertificate | None = None
    headers: dict[str, str] = {}
    variables: dict[str, str] = {}


class SecretsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given takes the place of what was there, null takes it away; of headers and variables each by its name."""

    basic: Basic | UnsetType | None = UNSET
    bearer: str | UnsetType | None = UNSET
    client_certificate: ClientCertificate | UnsetType | None = UNSET
    headers: dict[str, str | None] | UnsetType = UNSET
    variables: dict[str, str | None] | UnsetType = UNSET


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """All that somebody says of a monitor.

    It is down after `retries` further checks, `retry_interval_s` apart, that failed like the first, in at least `quorum` of its
    regions (None: most of them). `service_hours`: outside of them nothing is held against it; none: they are always. `anomalies`:
    what becomes of a latency or errors that are not as usual.
    """

    name: str
    kind: Kind
    target: str
    interval_s: int
    timeout_s: float
    retries: int
    retry_interval_s: int
    regions: tuple[str, ...]
    quorum: int | None
    assertions: tuple[Assertion, ...]
    priority: Priority
    severity: Severity
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
    runbook: str = ""
    group: str = ""
    tags: tuple[str, ...] = ()
    anomalies: Noticing = "record"


class Source(msgspec.Struct, frozen=True):
    """Which file of another program it was imported from: the program, what it is called there, and a digest of what was said of
    it, by which an import knows whether that has changed.
    """

    system: str
    key: str
    digest: bytes


class Monitor(Configuration, frozen=True, kw_only=True):
    """A monitor. `heartbeat_digest` is the SHA-256 of the token by which its beats are known."""

    id: UUID
    created_at: datetime
    created_by: UUID
    paused: bool = False
    deleted: bool = False
    heartbeat_digest: bytes | None = None
    source: Source | None = None

    @property
    def agreeing(self) -> int:
        """How many regions have to agree that it is down."""
        return len(self.regions) // 2 + 1 if self.quorum is None else min(self.quorum, len(self.regions))


class MonitorPolicy(msgspec.Struct, frozen=True):
    """What a clinic's monitors may reach: private, loopback and link-local addresses too, where an operator allowed it."""

    private: bool


class CreateMonitor(Command, frozen=True):
    """Begins to watch a target. `private`: addresses that are no public ones are open to the clinic, as the service has found."""

    configuration: Configuration
    heartbeat_digest: bytes | None = None
    source: Source | None = None
    private: bool = False
    paused: bool = False


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given of a configuration; the rest stays. A monitor's kind never changes."""

    name: str | UnsetType = UNSET
    target: str | UnsetType = UNSET
    interval_s: int | UnsetType = UNSET
    timeout_s: float | UnsetType = UNSET
    retries: int | UnsetType = UNSET
    retry_interval_s: int | UnsetType = UNSET
    regions: tuple[str, ...] | UnsetType = UNSET
    quorum: int | UnsetType | None = UNSET
    assertions: tuple[Assertion, ...] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    http: Http | UnsetType = UNSET
    tcp: Tcp | UnsetType = UNSET
    tls: Tls | UnsetType = UNSET
    dns: Dns | UnsetType = UNSET
    heartbeat: Heartbeat | UnsetType = UNSET
    steps: tuple[Step, ...] | UnsetType = UNSET
    secrets: SecretsChange | UnsetType = UNSET
    parent: UUID | UnsetType | None = UNSET
    maintenance: tuple[Maintenance, ...] | UnsetType = UNSET
    service_hours: tuple[Recurring, ...] | UnsetType = UNSET
    runbook: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    anomalies: Noticing | UnsetType = UNSET


class ChangeMonitor(Command, frozen=True):
    """Changes what is given. `source`: an import says it, with what it says now. `private` as above."""

    changes: Changes
    source: Source | None = None
    private: bool = False


class PauseMonitor(Command, frozen=True):
    """Checks nothing until it is resumed."""


class ResumeMonitor(Command, frozen=True):
    """Goes on checking."""


class DeleteMonitor(Command, frozen=True):
    """Ends it for good. Its journal and results stay for as long as they are kept."""


class RotateHeartbeat(Command, frozen=True):
    """Lets beats be known by another token; the one before is worth nothing from now on."""

    digest: bytes


class AllowPrivate(Command, frozen=True):
    """An operator lets a clinic watch private addresses, or no longer."""

    private: bool


class MonitorCreated(msgspec.Struct, frozen=True, tag="monitor-created"):
    """The first entry of a monitor."""

    id: UUID
    configuration: Configuration
    at: datetime
    by: UUID
    heartbeat_digest: bytes | None = None
    source: Source | None = None
    paused: bool = False


class MonitorChanged(msgspec.Struct, frozen=True, tag="monitor-changed"):
    """All that is said of it is this now."""

    configuration: Configuration
    source: Source | None = None


class MonitorPaused(msgspec.Struct, frozen=True, tag="monitor-paused"):
    """It is not checked."""

    at: datetime


class MonitorResumed(msgspec.Struct, frozen=True, tag="monitor-resumed"):
    """It is checked again."""

    at: datetime


class MonitorDeleted(msgspec.Struct, frozen=True, tag="monitor-deleted"):
    """The last entry of a monitor."""

    at: datetime


class HeartbeatRotated(msgspec.Struct, frozen=True, tag="monitor-heartbeat-rotated"):
    """Its beats are known by another token."""

    digest: bytes


MonitorEvent = MonitorCreated | MonitorChanged | MonitorPaused | MonitorResumed | MonitorDeleted | HeartbeatRotated


class PrivateAllowed(msgspec.Struct, frozen=True, tag="monitor-private-allowed"):
    """What the clinic's monitors may reach is this now."""

    private: bool


PolicyEvent = PrivateAllowed


class Verdict(msgspec.Struct, frozen=True):
    """What came of one check. `reason` is a stable word, None when it is up; `detail` says it to people, without secrets."""

    up: bool
    reason: str | None = None
    detail: str = ""


class SecretsShown(msgspec.Struct, frozen=True):
    """Which secrets there are; of headers and variables their names. What they say is never shown."""

    basic: bool
    bearer: bool
    client_certificate: bool
    headers: tuple[str, ...]
    variables: tuple[str, ...]


class MonitorView(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor as callers see it. `imported_from` is the program whose file it came from."""

    id: UUID
    name: str
    kind: Kind
    target: str
    interval_s: int
    timeout_s: float
    retries: int
    retry_interval_s: int
    regions: tuple[str, ...]
    quorum: int | None
    assertions: tuple[Assertion, ...]
    priority: Priority
    severity: Severity
    http: Http | None
    tcp: Tcp | None
    tls: Tls | None
    dns: Dns | None
    heartbeat: Heartbeat | None
    steps: tuple[Step, ...]
    secrets: SecretsShown
    parent: UUID | None
    maintenance: tuple[Maintenance, ...]
    service_hours: tuple[Recurring, ...]
    runbook: str
    group: str
    tags: tuple[str, ...]
    anomalies: Noticing
    paused: bool
    imported_from: str | None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    version: int


class PolicyView(msgspec.Struct, frozen=True):
    """What a clinic's monitors may reach, as operators see it."""

    private: bool


Imported = Literal["created", "updated", "unchanged", "refused", "left-out"]
"""What became of something that a file watches: `refused`, because no monitor can be like this; `left-out`, because nothing here
could watch it.
"""


class ImportedMonitor(msgspec.Struct, frozen=True):
    """What became of one thing that a file watches, and what of it was not carried over. `heartbeat_path`: where its beats are to
    be sent, shown once.
    """

    source: str
    name: str
    outcome: Imported
    id: UUID | None = None
    errors: tuple[Fault, ...] = ()
    left_out: tuple[str, ...] = ()
    heartbeat_path: str | None = None


class ImportReport(msgspec.Struct, frozen=True):
    """What became of files. `left_out` names what they say besides, and was not carried over."""

    dry_run: bool
    created: int
    updated: int
    unchanged: int
    refused: int
    monitors: tuple[ImportedMonitor, ...]
    left_out: tuple[str, ...]
