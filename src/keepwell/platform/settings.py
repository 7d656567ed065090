"""Every setting of the program: an environment variable KEEPWELL_<NAME>, also read from `.env`. Secrets are never shown."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from keepwell.kit import gcra
from keepwell.kit.ids import parse_id


def _is_a_rate(text: str) -> str:
    gcra.parse(text)
    return text


def _is_of_a_tenant(text: str) -> str:
    tenant, _, rate = text.partition("=")
    if parse_id(tenant) is None:
        raise ValueError("must be <id of the clinic>=<rate>")
    return f"{tenant}={_is_a_rate(rate)}"


Positive = Annotated[int, Field(gt=0)]
RateText = Annotated[str, AfterValidator(_is_a_rate)]
NotNegative = Annotated[int, Field(ge=0)]
TenantRate = Annotated[str, AfterValidator(_is_of_a_tenant)]
Seconds = Annotated[float, Field(gt=0)]


class ProcessKind(StrEnum):
    """What a process is for. Each kind has its own cap on database connections."""

    API = "api"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    NOTIFIER = "notifier"
    CLI = "cli"


class InvalidSettingsError(Exception):
    """The environment holds settings that cannot be used. The message names them, never their values."""


class Settings(BaseSettings):
    """What the operator decides. Read once at start by `load`; nothing else looks at the environment."""

    model_config = SettingsConfigDict(
        env_prefix="KEEPWELL_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    database_url: SecretStr | None = None
    """PostgreSQL 16 or newer; unset: an embedded one in the data directory."""
    database_migration_url: SecretStr | None = None
    """The schema owner's URL, for migrations; unset: DATABASE_URL is the owner's, and requests switch to the plain role."""
    database_auditor_url: SecretStr | None = None
    """The auditor role's URL; unset: the owner's, switched to that role."""
    replica_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Read replicas, comma-separated URLs; lists, histories and the audit are read from them."""
    replica_lag_s: Seconds = 1.0
    """A replica further behind than this is left out until it has caught up, seconds."""
    replica_wait_ms: NotNegative = 20
    """How long a read waits for a replica to have what the caller has seen, milliseconds; then the primary answers."""
    valkey_url: SecretStr | None = None
    """Valkey or Redis; unset: an embedded one in the data directory."""
    data_dir: Path = Path(".keepwell")
    """Where the embedded servers and the generated master key live."""
    master_key: SecretStr | None = None
    """Wraps every tenant's keys: 32 bytes in base64 or hex, or a passphrase of 32 characters or more (through HKDF)."""
    master_key_file: Path | None = None
    """A file that holds the master key; unset: master.key in the data directory, made when missing."""
    master_key_previous: SecretStr | None = None
    """While the master key is rotated, the other one: it opens what is stored and wraps nothing."""
    master_key_previous_file: Path | None = None
    """A file that holds the other master key."""

    pool_size_api: Positive = 8
    """Most database connections of one API process."""
    pool_size_worker: Positive = 6
    """Most database connections of one worker process."""
    pool_size_scheduler: Positive = 3
    """Most database connections of one scheduler process."""
    pool_size_notifier: Positive = 4
    """Most database connections of one notifier process."""
    pool_size_cli: Positive = 4
    """Most database connections of one command-line process."""
    pool_size_replica: Positive = 4
    """Most connections of one process to each read replica, but for one that watches it."""
    pool_reserve: NotNegative = 10
    """Connections left to operators and backups when the caps are summed at start."""
    pool_wait_s: Seconds = 2.0
    """Longest wait for a free connection, seconds; then 503 with Retry-After."""
    connect_timeout_s: Seconds = 3.0
    """Longest time to open a database connection, seconds."""
    statement_timeout_s: Seconds = 5.0
    """Longest time of one statement, seconds."""
    lock_timeout_s: Seconds = 2.0
    """Longest wait of one statement for a lock, seconds."""
    idle_transaction_timeout_s: Seconds = 10.0
    """An open transaction that does nothing for this long is ended, seconds."""
    connection_lifetime_s: Seconds = 300.0
    """A connection unused for this long is closed, seconds."""
    migration_attempts: Positive = 10
    """How often a migration that met a lock is tried again."""

    valkey_timeout_ms: Positive = 100
    """Longest time of one cache call, milliseconds; after it the caller has a miss."""
    valkey_rest_s: Seconds = 1.0
    """How long a failed cache is left alone before it is tried again, seconds."""

    cache_lifetime_s: NotNegative = 3_600
    """How long what was read or written is kept at hand, sealed, for further reads, seconds; 0: not at all."""
    cache_memory_mb: NotNegative = 32
    """Memory of one process for what it keeps at hand, MiB."""
    cache_valkey_bytes: NotNegative = 12_000
    """Stored size from which a read is kept in Valkey too, bytes; below it asking the database is cheaper."""
    cache_warm_count: NotNegative = 1_000
    """Most recently used responses and questionnaires that an API process loads when it starts; 0: none."""
    cache_warm_rate: Positive = 500
    """How many of them it loads a second."""

    gather_max_batch: Positive = 64
    """Most commands that share one commit."""
    gather_wait_s: Seconds = 4.0
    """Longest wait of a command or read for its batch, seconds; then 503 with Retry-After."""
    gather_queue: Positive = 2048
    """Most commands waiting in one process; the next is refused with 503."""
    gather: bool = True
    """Whether commands that arrive while a commit runs share the next one."""
    idempotency_lifetime_s: Positive = 86_400
    """How long the outcome under an Idempotency-Key is kept, seconds."""

    public_url: str = "http://localhost:8080"
    """The address at which people know this server; passkeys belong to its host."""
    access_token_lifetime_s: Positive = 600
    """Lifetime of an access token, seconds."""
    refresh_token_lifetime_s: Positive = 3_600
    """A session not refreshed for this long ends, seconds (NIST SP 800-63B-4, 2.2.3: at most an hour)."""
    session_lifetime_s: Positive = 43_200
    """Longest life of a session, whatever is refreshed, seconds (NIST SP 800-63B-4, 2.2.3: at most a day)."""
    smtp_url: SecretStr | None = None
    """The mail server, such as smtp://user:password@mail.example.org:587 or smtps://...; unset: no links to log in by mail."""
    mail_from: str = "keepwell@localhost"
    """Who sends the mail."""
    oidc_allow_private: bool = False
    """Whether clinics' OpenID Connect providers may be on this machine or a private network, and without TLS; for trying out."""
    step_up_s: Positive = 900
    """For how long after proving who they are people may do what is sensitive, such as changing second factors, seconds."""
    password_hash_queue: Positive = 64
    """Most log-ins waiting for a password hash in one process."""

    leak_keys_url: str | None = None
    """Where those publish their keys who may report leaked keys, such as https://api.github.com/meta/public_keys/secret_scanning;
    unset: nobody may.
    """
    login_free_failures: NotNegative = 10
    """Failed log-ins of one account that have no consequence; each further one makes the next slower, or more work."""
    login_free_failures_address: NotNegative = 100
    """Failed log-ins from one address within an hour, likewise."""

    monitor_allow_private: bool = False
    """Whether what is monitored, and channels of notifications, may be on this machine and private networks; for trying out."""

    region: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "default"
    """Where this process checks monitors from: a worker makes the checks of its own region."""
    check_width: Positive = 500
    """Most checks of monitors under way in one worker."""
    check_canaries: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses such as 9.9.9.9:443, comma-separated, of which one answers as long as our own network works. While none does,
    checks that fail say nothing about their targets; unset: our network works where this machine has a way to a target.
    """
    check_results_days: Annotated[int, Field(ge=2, le=3660)] = 14
    """For how many days each result of a check is kept; hours and days are kept summed up for good."""
    check_results_most: Positive = 50_000_000
    """Most results of one clinic; of those with more, the oldest days go first."""

    room_capacity: Positive = 50
    """Most connections in the live room of one response, over all processes."""
    room_connections: Positive = 10_000
    """Most connections of one API process in live rooms."""
    room_idle_s: Seconds = 300.0
    """A WebSocket on which nothing was said for this long is closed, seconds; a ping is enough."""
    room_messages_per_s: Seconds = 50.0
    """How many messages a WebSocket may send in a second; twice as many at once."""

    rate_user: RateText = "500:20000"
    """Requests of one account: so many a second, and so many at once; 0: no limit."""
    rate_address: RateText = "2000:50000"
    """Requests from one address (of IPv6: from one /64), likewise."""
    rate_tenant: RateText = "2000:100000"
    """Requests of one clinic, likewise."""
    rate_tenants: Annotated[tuple[TenantRate, ...], NoDecode] = ()
    """Clinics with another limit than RATE_TENANT, comma-separated, such as <id>=5000:50000."""
    rate_login: RateText = "100:2000"
    """Log-ins from one address, instead of RATE_ADDRESS, likewise."""
    rate_refresh: RateText = "100:2000"
    """Refreshes from one address, instead of RATE_ADDRESS, likewise."""

    queue_width: Positive = 4
    """How many jobs one worker does at once."""
    queue_lease_s: Seconds = 10.0
    """For how long a worker holds a job without a sign of life; then others take over, seconds."""
    queue_poll_s: Seconds = 1.0
    """How often a worker looks for jobs while there are none, seconds."""
    queue_grace_s: Seconds = 10.0
    """How long jobs may take to finish when a worker is told to stop; then they are given back, seconds."""
    queue_stuck_s: Seconds = 300.0
    """A job due for longer than this means that the queue is stuck: readiness and an incident say so, seconds."""
    queue_attempts: Positive = 8
    """How often a job is tried before it is held, unless its kind says otherwise."""

    kept_uploads_days: Positive = 90
    """How long what was uploaded to enroll people is kept after the batch ended, where the task `retention.purge` runs, days."""
    kept_jobs_days: Positive = 90
    """How long jobs that failed for good are kept, likewise, days."""
    reminder_days: Positive = 7
    """How many days before a program closes people are to be reminded who have not answered."""

    enrollment_rows: Positive = 1_000_000
    """Most rows of one batch."""
    enrollment_open_batches: Positive = 50
    """Most batches of one clinic that are not finished."""
    enrollment_at_once: Positive = 3
    """How many parts of batches one process runs at once."""
    enrollment_stall_s: Seconds = 120.0
    """A batch that should move and has not for this long is stalled: an incident says so, seconds."""
    enrollment_tries: Positive = 8
    """How often in a row a part of a batch is tried before the batch rests."""

    graphql_introspection: bool = False
    """Whether the GraphQL door shows its schema to who asks; `keepwell serve --demo` does."""
    body_limit_bytes: Positive = 1_000_000
    """Largest usual request body, bytes."""
    shutdown_grace_s: Seconds = 10.0
    """How long running requests may take to finish at shutdown, seconds."""
    checkpoint_interval_s: Seconds = 60.0
    """How often the journal is sealed with a signed checkpoint, seconds."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses whose forwarding headers are believed."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose web pages may call the API, comma-separated, such as https://app.example.org; unset: none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log line that is written."""

    @field_validator("replica_urls", "trusted_proxies", "cors_origins", "rate_tenants", "check_canaries", mode="before")
    @classmethod
    def split_at_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url", "database_migration_url", "database_auditor_url")
    @classmethod
    def is_a_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _check_database_url(url.get_secret_value())
        return url

    @field_validator("replica_urls")
    @classmethod
    def are_databases(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for url in urls:
            _check_database_url(url.get_secret_value())
        return urls

    @field_validator("valkey_url")
    @classmethod
    def is_a_cache(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(_CACHES):
            raise ValueError("must be a URL such as valkey://host:6379")
        return url

    @field_validator("smtp_url")
    @classmethod
    def is_a_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("smtp://", "smtps://")):
            raise ValueError("must be a URL such as smtp://user:password@host:587")
        return url

    @field_validator("public_url")
    @classmethod
    def is_an_origin(cls, url: str) -> str:
        if not _is_origin(url):
            raise ValueError("must be an origin such as https://clinic.example.org, without path and usual port")
        return url

    @field_validator("leak_keys_url")
    @classmethod
    def is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("must be an address such as https://host/keys")
        return url

    @field_validator("cors_origins")
    @classmethod
    def are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _is_origin(origin):
                raise ValueError(
                    "must be origins as browsers send them, such as https://app.example.org or http://localhost:3000: "
                    "in small letters, without path, without the usual port, without *"
                )
        return origins

    def pool_size(self, kind: ProcessKind) -> int:
        """Most database connections of one process of `kind`."""
        sizes = {
            ProcessKind.API: self.pool_size_api,
            ProcessKind.WORKER: self.pool_size_worker,
            ProcessKind.SCHEDULER: self.pool_size_scheduler,
            ProcessKind.NOTIFIER: self.pool_size_notifier,
            ProcessKind.CLI: self.pool_size_cli,
        }
        return sizes[kind]


def _check_database_url(url: str) -> None:
    try:
        if url.startswith(("postgresql://", "postgres://")) and conninfo_to_dict(url):
            return
    except ProgrammingError:  # it quotes what it was given
        pass
    raise ValueError("must be a URL such as postgresql://user:password@host:5432/database") from None


def _is_origin(text: str) -> bool:
    """Whether a browser could send this as an `Origin`: scheme, host and, unless it is the scheme's own, port (RFC 6454, 6.2)."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return False
    scheme, port = match.groups()
    return port is None or (int(port) < 2**16 and (scheme, port) not in (("http", "80"), ("https", "443")))


_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?")
_CACHES = ("valkey://", "valkeys://", "redis://", "rediss://", "unix://")


class SettingLine(msgspec.Struct, frozen=True):
    """One setting as `keepwell settings` shows it: a secret only says whether it is set."""

    variable: str
    value: str
    default: str
    description: str


def load() -> Settings:
    """The settings of this process.

    Raises:
        InvalidSettingsError: at least one cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = (f"KEEPWELL_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise InvalidSettingsError("; ".join(faults)) from None


def describe(settings: Settings) -> list[SettingLine]:
    """Every setting, in the order of declaration."""
    return [
        SettingLine(f"KEEPWELL_{name.upper()}", _shown(getattr(settings, name)), _shown(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, tuple):
        return ", ".join(_shown(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "" if value is None else str(value)
