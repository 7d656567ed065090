"""The operator's proofs: of the journal, and of stored state against it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.kernel.proof import checkpoints, rebuild
from keepwell.kernel.proof.findings import Damage, Finding
from keepwell.kernel.proof.notes import Signer
from keepwell.kernel.proof.verify import verify as verify_journal
from keepwell.kit.ids import NIL, new_id
from keepwell.main import fitness
from keepwell.main.addresses import Addresses
from keepwell.main.parts import Parts
from keepwell.main.serve import run
from keepwell.platform.settings import ProcessKind, Settings

Say = Callable[[str], None]


class NoCheckpointError(Exception):
    """A file that should hold exported checkpoints holds none."""


def verify(settings: Settings, addresses: Addresses, notes: Sequence[str], say: Say) -> bool:
    """Proves the journal and the access records, against exported checkpoints `notes` too; says what was looked at and what
    is damaged. Whether all is sound.
    """
    sound = False

    async def prove(parts: Parts) -> None:
        nonlocal sound
        verifier = Signer(parts.ring.derive(checkpoints.SIGNING_KEY)).verifier
        async with parts.auditor.connection() as connection:
            report = await verify_journal(connection, verifier, notes)
        sound = report.sound
        say(f"{report.entries} journal entries of {report.aggregates} aggregates, {report.records} access records.")
        for log, totals in report.logs.items():
            say(f"{log}: {totals.size} rows, {totals.uncovered} not yet covered by one of {totals.checkpoints} checkpoints.")
        _conclude(report.findings, report.counts, "Every hash, chain and checkpoint holds.", say)

    _with_parts(settings, addresses, prove)
    return sound


def seal(settings: Settings, addresses: Addresses, say: Say) -> None:
    """Signs a checkpoint of each log over everything that is complete."""

    async def append(parts: Parts) -> None:
        seed = parts.ring.derive(checkpoints.SIGNING_KEY)
        async with parts.auditor.connection() as connection:
            for log in checkpoints.LOGS:
                made = await checkpoints.append(connection, log, seed, parts.clock)
                say(f"{log}: {'nothing new' if made is None else f'{made.size} rows sealed'}.")

    _with_parts(settings, addresses, append)


def export(settings: Settings, addresses: Addresses, say: Say) -> None:
    """Says the newest checkpoint of each log, as text for `verify`."""

    async def read(parts: Parts) -> None:
        async with parts.auditor.connection() as connection:
            for note in await checkpoints.exported(connection):
                say(note)

    _with_parts(settings, addresses, read)


def compare(settings: Settings, addresses: Addresses, say: Say) -> bool:
    """Compares all stored state with the journal. Whether they agree."""
    sound = False

    async def check(parts: Parts) -> None:
        nonlocal sound
        report = await rebuild.check(parts.kernel, parts.auditor)
        sound = report.sound
        say(f"{report.aggregates} aggregates of {report.tenants} clinics compared with their journal.")
        _tell_destroyed(report.destroyed, say)
        _conclude(report.findings, report.counts, "Stored state is what the journal says.", say)

    _with_parts(settings, addresses, check)
    return sound


def repair(settings: Settings, addresses: Addresses, say: Say) -> bool:
    """Puts right what differs from the journal. Whether everything could be."""
    sound = False

    async def mend(parts: Parts) -> None:
        nonlocal sound
        origin = Origin("cli", str(new_id()), purpose="HSYSADMIN")
        report = await rebuild.rebuild(parts.kernel, parts.auditor, operator(NIL), origin)
        sound = report.sound
        say(f"{report.aggregates} aggregates of {report.tenants} clinics compared, {report.repaired} put right.")
        _tell_destroyed(report.destroyed, say)
        _conclude(report.findings, report.counts, "Stored state is what the journal says.", say)

    _with_parts(settings, addresses, mend)
    return sound


def read_notes(paths: Iterable[Path]) -> list[str]:
    """The checkpoints in exported files.

    Raises:
        NoCheckpointError: a file holds none. Taking it for one would prove nothing and look like proof.
    """
    notes: list[str] = []
    for path in paths:
        try:
            found = split_notes(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            found = []
        if not found:
            raise NoCheckpointError(f"{path} holds no exported checkpoint.")
        notes += found
    return notes


def split_notes(text: str) -> list[str]:
    """The checkpoints in a text that holds several, one after the other: each ends with its signature lines."""
    notes: list[list[str]] = []
    signed = True
    for line in text.splitlines():
        signature = line.startswith("\N{EM DASH} ")
        if signed and not signature:
            if not line.strip():
                continue
            notes.append([])
        signed = signature
        notes[-1].append(line)
    return ["\n".join(lines) + "\n" for lines in notes]


def _conclude(findings: Iterable[Finding], counts: dict[Damage, int], sound: str, say: Say) -> None:
    for finding in findings:
        say(str(finding))
    say(", ".join(f"{count} {damage}" for damage, count in counts.items()) or sound)


def _tell_destroyed(count: int, say: Say) -> None:
    if count:
        say(f"{count} of these clinics had their keys destroyed: of them nothing can be compared.")


def _with_parts(settings: Settings, addresses: Addresses, work: Callable[[Parts], Awaitable[None]]) -> None:
    async def main() -> None:
        parts = Parts(settings, addresses, ProcessKind.CLI)
        async with parts.running():
            await fitness.require(parts)
            await work(parts)

    run(main())
