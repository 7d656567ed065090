"""Whether the database takes all the connections this start may open, asked before the first is missing."""

import psycopg

from keepwell.main.parts import AUDITOR_CONNECTIONS
from keepwell.platform.settings import InvalidSettingsError, ProcessKind, Settings

_ALLOWED = "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"


def check(settings: Settings, url: str, processes: dict[ProcessKind, int]) -> None:
    """Sums the caps of `processes` (how many of each kind) and a reserve against the server's limit.

    A database that is away is not asked: readiness says so.

    Raises:
        InvalidSettingsError: more could be opened than the server allows.
    """
    wanted = sum(count * (settings.pool_size(kind) + AUDITOR_CONNECTIONS) for kind, count in processes.items())
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            row = connection.execute(_ALLOWED).fetchone()
    except psycopg.OperationalError:
        return
    allowed = row[0] if row else 0
    if wanted + settings.pool_reserve > allowed:
        sizes = ", ".join(f"{count} x {kind} ({settings.pool_size(kind)})" for kind, count in processes.items())
        raise InvalidSettingsError(
            f"{sizes}, {AUDITOR_CONNECTIONS} more each and a reserve of {settings.pool_reserve} are "
            f"{wanted + settings.pool_reserve} connections; the database allows {allowed}. "
            "Lower KEEPWELL_POOL_SIZE_* or --workers, or raise max_connections."
        )
