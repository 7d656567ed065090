"""What an import changes of a monitor it made before: all that the file can say, and nothing else."""

import hashlib

import msgspec
from msgspec.structs import replace

from keepwell.domains.monitors.models import Changes, Configuration, Monitor, Secrets, SecretsChange, Source
from keepwell.domains.monitors.rules.importing import Found, System

_SAID = (
    *("name", "target", "interval_s", "timeout_s", "retries", "retry_interval_s", "assertions", "http", "tcp", "tls", "dns"),
    *("steps", "maintenance", "group", "tags"),
)
_encode = msgspec.json.Encoder(order="deterministic").encode


def source_of(system: System, found: Found, configuration: Configuration) -> Source:
    """Where a monitor comes from, and what was said of it there."""
    return Source(system, found.key, hashlib.sha256(_encode(configuration)).digest())


def changes(state: Monitor, configuration: Configuration) -> Changes:
    """What makes of a monitor what the file says now; regions, priority and the like stay as people set them here."""
    said = {name: getattr(configuration, name) for name in _SAID}
    if configuration.heartbeat is not None:
        said["heartbeat"] = configuration.heartbeat
    return replace(Changes(**said), secrets=_secrets(state.secrets, configuration.secrets))


def _secrets(before: Secrets, after: Secrets) -> SecretsChange:
    return SecretsChange(
        basic=after.basic,
        bearer=after.bearer,
        client_certificate=after.client_certificate,
        headers=dict.fromkeys(before.headers) | dict(after.headers),
        variables=dict.fromkeys(before.variables) | dict(after.variables),
    )
