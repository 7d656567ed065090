"""Parts that die at random moments, and the reckoning afterwards: what clients were told against what is there."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Generator, Mapping
from typing import Any

import httpx
import psutil
import psycopg

from tests.support.load import Ledger, Response
from tests.support.server import Server
from tests.support.waiting import eventually

_chance = random.SystemRandom()
_AT_ONCE = 16


def kill_api(server: Server) -> None:
    """The process that was started: its further processes must go with it, and the next start find everything in order."""
    others = server.api_processes()
    server.kill_main()
    eventually(lambda: not [process for process in others if alive(process)], 20)
    server.start()


def kill_worker(server: Server) -> None:
    """One of the further API processes: another takes its place."""
    victim = _chance.choice(server.api_processes())
    victim.kill()
    eventually(lambda: victim.pid not in [process.pid for process in server.api_processes()], 20)


def kill_postmaster(server: Server) -> None:
    victim = server.postmaster()
    victim.kill()
    eventually(lambda: not alive(victim), 10)


def kill_backend(server: Server) -> None:
    """One connection's process: PostgreSQL ends all others and recovers."""
    victims = server.backends() or [server.postmaster()]
    with contextlib.suppress(psutil.NoSuchProcess):  # it was about to end anyway
        _chance.choice(victims).kill()


def kill_valkey(server: Server) -> None:
    server.valkey().kill()


def kill_guardian(server: Server) -> None:
    server.guardian().kill()


VICTIMS: Mapping[str, Callable[[Server], None]] = {
    "api": kill_api,
    "worker": kill_worker,
    "postmaster": kill_postmaster,
    "backend": kill_backend,
    "valkey": kill_valkey,
    "guardian": kill_guardian,
}


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def recovered(server: Server, seconds: float = 60) -> None:
    """Returns when every part is there again, and says so."""

    def whole() -> bool:
        try:
            server.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return bool(server.processes("valkey-server")) and len(server.api_processes()) == server.workers - 1

    eventually(whole, seconds)
    server.await_ready(seconds)


@contextlib.contextmanager
def stopped(*processes: psutil.Process) -> Generator[None]:
    """Inside, they are there and do nothing at all."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


async def told_off(ledger: Ledger, count: int) -> bool:
    """Whether so many requests were refused by now."""
    return ledger.refused >= count


async def reckon(server: Server, http: httpx.AsyncClient, ledger: Ledger) -> None:
    """Holds the server to everything its clients were told. No write may be open.

    Raises:
        AssertionError: something acknowledged is missing, something is there twice, or a read has no record.
    """
    assert ledger.odd == []
    gate = asyncio.Semaphore(_AT_ONCE)
    await asyncio.gather(*(_reckon_response(http, response, gate) for response in ledger.responses.values()))
    for response, version, answers in ledger.seen:
        assert answers == response.answers(version), f"version {version} of {response.id} was shown as it never was"
    ledger.seen.clear()
    _reckon_journal(server, ledger)
    _reckon_reads(server, ledger)


async def prove(server: Server) -> None:
    """The program's own proofs: the journal is whole, and the stored state is what it says."""
    for words in (("audit", "verify"), ("rebuild", "--check")):
        done = await asyncio.to_thread(server.cli, *words)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"


async def _reckon_response(http: httpx.AsyncClient, response: Response, gate: asyncio.Semaphore) -> None:
    async with gate:
        now = await http.get(f"/v1/responses/{response.id}")
        assert now.status_code == 200, now.text
        body = now.json()
        assert sorted(response.told) == list(range(1, response.version + 1)), f"versions of {response.id} are missing"
        assert body["version"] == response.version, f"{response.id} has versions nobody was told of"
        assert body["answers"] == response.answers()
        version = _chance.randint(1, response.version)
        then = await http.get(f"/v1/responses/{response.id}", params={"version": version})
        assert then.json()["answers"] == response.answers(version)


def _reckon_journal(server: Server, ledger: Ledger) -> None:
    """Each acknowledged write is in the journal once, however often it was sent; and nothing else is."""
    rows = server.query("SELECT id, version, request_id FROM journal_entry WHERE kind = 'response' ORDER BY id, version")
    versions: dict[str, list[int]] = {}
    entries: dict[str, int] = {}
    for id_, version, request_id in rows:
        versions.setdefault(str(id_), []).append(version)
        entries[request_id] = entries.get(request_id, 0) + 1
    for response in ledger.responses.values():
        assert versions.get(response.id) == list(range(1, response.version + 1)), f"journal of {response.id}"
    listed = server.query("SELECT id FROM response WHERE questionnaire_id = %s", ledger.questionnaire)
    strangers = {str(row[0]) for row in listed} ^ ledger.responses.keys()
    assert not strangers, f"responses nobody was told of: {sorted(strangers)[:5]}"
    for attempts in ledger.writes:
        applied = sum(entries.get(attempt, 0) for attempt in attempts)
        assert applied == 1, f"a write of {len(attempts)} attempts was applied {applied} times"


def _reckon_reads(server: Server, ledger: Ledger) -> None:
    """Every read whose bytes reached a client has its access record."""
    sql = "SELECT request_id FROM access_record WHERE kind = 'response' AND action = 'read' AND outcome = 'ok'"
    recorded: set[Any] = {row[0] for row in server.query(sql)}
    missing = ledger.reads - recorded
    assert not missing, f"{len(missing)} of {len(ledger.reads)} reads have no record, such as {sorted(missing)[:3]}"
