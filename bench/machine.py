"""What a result depends on: the machine, PostgreSQL and its settings, the versions of the parts. No names, addresses or paths."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("asyncpg", "cryptography", "httptools", "msgspec", "starlette", "structlog", "uvicorn", "uvloop")
_SETTINGS = (
    "server_version",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "wal_sync_method",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "max_connections",
    "data_checksums",
    "jit",
)
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class NotDurableError(Exception):
    """PostgreSQL may lose what it acknowledges: rates measured on it would mean nothing."""


def facts() -> dict[str, Any]:
    """Cores, memory, kernel, Python and the versions of the packages on the path."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


async def postgres(connection: Any) -> dict[str, str]:
    """The server's version and the settings that decide what a commit costs.

    Raises:
        NotDurableError: one of fsync, full_page_writes and synchronous_commit is not on.
    """
    found = {name: str(await connection.fetchval("SELECT current_setting($1, true)", name)) for name in _SETTINGS}
    off = [name for name in _DURABLE if found[name] != "on"]
    if off:
        raise NotDurableError(", ".join(f"{name} is {found[name]}" for name in off))
    return found


def load_average() -> float:
    """How busy the machine was over the last minute, in running processes."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
