"""wrk as the load generator: two threads, like pgbench's, each with half of the connections and of the responses."""

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import msgspec

from bench.measurement import Run

MOST_REFUSED = 0.01
THREADS = 2
_LUA = Path(__file__).parent / "lua"


class LoadFailedError(Exception):
    """The load did not run as it must, so that its rate means nothing."""


class Target(msgspec.Struct, frozen=True):
    """One response to read or change, the token to do it with, and the version it is at. `body` has an @ where text may vary."""

    id: UUID
    path: str
    token: str
    version: int = 0
    body: str = ""


class Report(msgspec.Struct, frozen=True):
    """What wrk's script said at its end: facts by name, refusals by status, the last acknowledged version of each response."""

    facts: dict[str, int]
    statuses: dict[str, int]
    versions: dict[UUID, int]

    @property
    def acknowledged(self) -> int:
        return self.facts["acknowledged"]

    def as_run(self, **facts: int) -> Run:
        """The rate of acknowledged requests.

        Raises:
            LoadFailedError: more than 1 % of the requests were refused or broken, or none was acknowledged.
        """
        lost = self.facts["refused"] + self.facts["broken"]
        if not self.acknowledged or lost > MOST_REFUSED * (self.acknowledged + lost):
            raise LoadFailedError(
                f"{lost} of {self.acknowledged + lost} requests failed: {self.statuses or 'broken connections'}"
            )
        milliseconds = {name: self.facts[f"{name}_us"] / 1000 for name in ("p50", "p99")}
        rate = self.acknowledged / (self.facts["microseconds"] / 1e6)
        return Run(rate, milliseconds["p50"], milliseconds["p99"], lost, {"done": self.acknowledged, **facts})


def installed() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


async def run(script: str, url: str, targets: Sequence[Target], connections: int, seconds: float, *more: str) -> Report:
    """Drives `targets` for `seconds`. For changes there must be as many as connections, or more."""
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        listed = Path(folder) / "targets.lua"
        listed.write_text(lua(targets), encoding="utf-8")
        command = [
            *("wrk", f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"),
            *("-s", str(_LUA / f"{script}.lua"), url, "--", str(listed), str(THREADS), *more),
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        output, errors = await process.communicate()
    if process.returncode or errors:
        raise LoadFailedError(f"wrk failed: {errors.decode()[:500] or process.returncode}")
    return parse(output.decode().splitlines())


def lua(targets: Iterable[Target]) -> str:
    """The targets as a Lua table."""
    lines = (
        f"{{ id = {_text(str(target.id))}, path = {_text(target.path)}, token = {_text(target.token)}, "
        f"version = {target.version}, body = {_text(target.body)} }},"
        for target in targets
    )
    return "\n".join(("return {", *lines, "}"))


def parse(lines: Iterable[str]) -> Report:
    """What the scripts print, between wrk's own lines."""
    report = Report({}, {}, {})
    for line in lines:
        match line.split():
            case ["fact", name, number]:
                report.facts[name] = int(number)
            case ["status", code, number]:
                report.statuses[code] = int(number)
            case ["version", id_, number]:
                report.versions[UUID(id_)] = int(number)
            case _:
                pass
    if "acknowledged" not in report.facts:
        raise LoadFailedError("wrk's script reported nothing")
    return report


def _text(text: str) -> str:
    """A Lua string. JSON's escapes are Lua's too, but for those of control characters, which our texts do not hold."""
    return msgspec.json.encode(text).decode()
