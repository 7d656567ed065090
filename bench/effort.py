"""Processor time that a load took: what a busy neighbour on the machine changes least."""

import contextlib
import resource
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil

from keepwell.platform.embedded.layout import Layout
from keepwell.platform.embedded.process import processes_in


class Effort(msgspec.Struct, frozen=True):
    """Processor seconds so far of PostgreSQL, of the server's processes, and of load generators that have ended."""

    postgres: float
    server: float
    load: float

    def since(self, earlier: "Effort", requests: int) -> dict[str, int]:
        """Microseconds a request since `earlier`, by part and in all."""
        parts = {name: getattr(self, name) - getattr(earlier, name) for name in self.__struct_fields__}
        parts["all"] = sum(parts.values())
        return {f"cpu_us_{name}": round(seconds / max(1, requests) * 1e6) for name, seconds in parts.items()}


def so_far(data: Path, servers: Iterable[int] = ()) -> Effort:
    """`data` is the data directory of the embedded PostgreSQL, `servers` the process ids of whatever answers HTTP."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = sum(_with_children(pid) for pid in servers)
    return Effort(_postgres(data), server, ended.ru_utime + ended.ru_stime)


def _postgres(data: Path) -> float:
    """All its processes; what backends that are gone took, the postmaster has inherited."""
    taken = 0.0
    for process in processes_in(Layout(data).postgres, "postgres"):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            taken += times.user + times.system + times.children_user + times.children_system
    return taken


def _with_children(pid: int) -> float:
    root = psutil.Process(pid)
    taken = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            taken += times.user + times.system
    return taken
