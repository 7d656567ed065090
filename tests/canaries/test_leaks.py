"""Health information leaves no trace in clear: canaries go through every route, then every place they could reach is searched."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import valkey

from keepwell.platform.embedded import client_program
from tests.support import (
    canary_checks,
    canary_enrollment,
    canary_factors,
    canary_fhir,
    canary_jobs,
    canary_keys,
    canary_legacy,
    canary_login,
    canary_monitors,
    canary_notifications,
    canary_statuspages,
)
from tests.support.canary import Canaries, Sighting, describe, files_below
from tests.support.canary_routes import Planter
from tests.support.chaos import recovered
from tests.support.leak_reports import Publisher, Signer
from tests.support.server import Server, running
from tests.support.waiting import eventually


@pytest.fixture
def signer() -> Signer:
    return Signer("canaries")


@pytest.fixture
def server(tmp_path: Path, signer: Signer) -> Iterator[Server]:
    with Publisher(signer).serving() as reporters:
        settings = {"log_level": "debug", "leak_keys_url": reporters.url}
        with running(tmp_path / "data", settings=settings) as server:
            yield server


class Sinks:
    """Every place a canary could reach, each with its way of looking."""

    def __init__(self, server: Server, canaries: tuple[Canaries, ...], folder: Path) -> None:
        self._server = server
        self._canaries = canaries
        self._folder = folder

    def look(self) -> list[Sighting]:
        """Everything that is seen anywhere."""
        eventually(self._written, 30)
        places = (self.metrics, self.cache, self.dump, self.outcomes, self.statistics, self.audit, self.files)
        return [sighting for place in places for sighting in place()]

    def _written(self) -> bool:
        """Whether everything is in files now; the database may be starting again."""
        try:
            self._server.query("CHECKPOINT")
        except psycopg.OperationalError:
            return False
        return True

    def metrics(self) -> list[Sighting]:
        return self._bytes(httpx.get(f"{self._server.base}/metrics", timeout=10).content, "metrics")

    def audit(self) -> list[Sighting]:
        """What an auditor gets to see holds no answers."""
        rows = self._server.query("SELECT * FROM journal_entry") + self._server.query("SELECT * FROM access_record")
        return self._bytes(str(rows).encode(), "the audit tables")

    def cache(self) -> list[Sighting]:
        """Names and values of every key, and the log of slow commands."""
        path = (self._server.directory / "sockets").read_text().strip()
        with valkey.Valkey(unix_socket_path=f"{path}/valkey.sock") as client:
            found = list(cached(client))
            assert len(found) > 1, "nothing was cached: this proves nothing"
            return self._bytes(b"\n".join(found), "cache")

    def dump(self) -> list[Sighting]:
        """The whole database in SQL, as a backup would have it: large values are stored compressed, and read whole here."""
        path = self._folder / "dump.sql"
        command = [client_program("pg_dump"), "--file", path, self._server.database_url()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert b"COPY public.journal_entry" in path.read_bytes()
        return self._file(path)

    def outcomes(self) -> list[Sighting]:
        rows = self._server.query("SELECT key, fingerprint, outcome FROM idempotency")
        assert len(rows) > 10
        return self._bytes(b"\n".join(bytes(value) for row in rows for value in row), "idempotency outcomes")

    def statistics(self) -> list[Sighting]:
        """What the planner remembers of the values, and what sessions are asked at this moment."""
        self._server.query("ANALYZE")
        rows = self._server.query("SELECT * FROM pg_stats") + self._server.query("SELECT * FROM pg_stat_activity")
        return self._bytes(str(rows).encode(), "statistics")

    def commands(self) -> list[Sighting]:
        said = [
            self._server.cli(*words)
            for words in (("audit", "verify"), ("audit", "export"), ("rebuild", "--check"), ("settings",))
        ]
        assert [done.returncode for done in said] == [0, 0, 0, 0], said
        return self._bytes("".join(done.stdout + done.stderr for done in said).encode(), "what commands say")

    def files(self) -> list[Sighting]:
        """Heap, index, write-ahead log, server logs, the program's own output: every file there is, and its name."""
        found: list[Sighting] = []
        for folder in (self._server.directory, self._server.output):
            paths = list(files_below(folder))
            found += self._bytes("\n".join(map(str, paths)).encode(), f"names below {folder}")
            found += [sighting for path in paths for sighting in self._file(path)]
        return found

    def _bytes(self, data: bytes, where: str) -> list[Sighting]:
        return [sighting for each in self._canaries for sighting in each.in_bytes(data, where)]

    def _file(self, path: Path) -> list[Sighting]:
        return [sighting for each in self._canaries for sighting in each.in_file(path)]


def cached(client: Any) -> Iterator[bytes]:
    """Everything in every database of a Valkey, read by type: DUMP would compress it."""
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
    }
    for number in range(16):
        client.select(number)
        for key in client.scan_iter():
            value = readers[client.type(key)](key)
            yield key
            yield value if isinstance(value, bytes) else str(value).encode()
    yield str(client.slowlog_get(-1)).encode()


def in_trouble(server: Server, planter: Planter) -> None:
    """Writes that meet a lock, and a database that dies under them: the errors are logged, without what was written."""
    planter.sign_in("clinician@demo.test")
    with psycopg.connect(server.database_url()) as connection:
        connection.execute("LOCK TABLE aggregate IN ACCESS EXCLUSIVE MODE")
        planter.send("POST /v1/auth/login", json={"email": planter.secret.email("locked out"), "password": "x"})
        body = {"questionnaire": f"urn:{planter.secret.text('canonical')}", "subject": planter.secret.text("locked subject")}
        assert planter.send("POST /v1/responses", json=body).status_code == 503
    server.postmaster().kill()
    for _ in range(5):
        planter.send("POST /v1/responses", json={**body, "answers": {"a": planter.secret.text("answer into the void")}})
        planter.send("POST /v1/auth/login", json={"email": planter.secret.email("lost"), "password": planter.secret.text("lost")})
    recovered(server)


@pytest.mark.timeout(300)
def test_health_information_is_seen_nowhere_in_clear(server: Server, signer: Signer, tmp_path: Path):
    secret, named = Canaries(), Canaries("Kwechoedq")
    planter = Planter(server.base, secret, named)
    try:
        document: dict[str, Any] = httpx.get(f"{server.base}/openapi.json").json()
        planter.sign_in("admin@demo.test")
        planter.people()
        planter.strangers()
        planter.questionnaires()
        planter.every_type()
        planter.rows()
        planter.large()
        planter.room()
        canary_factors.plant(planter)
        canary_enrollment.plant(planter)
        canary_fhir.plant(planter)
        canary_legacy.plant(planter)
        canary_notifications.plant(planter)
        canary_statuspages.plant(planter)
        canary_keys.plant(planter, signer)
        canary_jobs.plant(planter)
        canary_notifications.told(planter)
        canary_monitors.plant(planter)
        canary_checks.plant(planter)
        canary_login.plant(planter)
        planter.everywhere(document)
        planter.sign_in("admin@demo.test")  # one of the routes was the way out
        planter.garbage()
        in_trouble(server, planter)
    finally:
        planter.close()
    every = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert planter.reached >= every
    assert len(secret.planted) > 500
    sinks = Sinks(server, (secret, named), tmp_path)
    seen = planter.sightings() + sinks.commands() + sinks.look()
    assert not seen, describe(seen)
    is_seen_when_planted(server, sinks, secret)


def is_seen_when_planted(server: Server, sinks: Sinks, canaries: Canaries) -> None:
    """The same search, after a leak of our own making into each place."""
    server.query("CREATE TABLE leak (value text)")
    server.query("CREATE INDEX leak_value ON leak (value)")
    server.query("INSERT INTO leak SELECT %s FROM generate_series(1, 9)", canaries.text("leak into a table"))
    with (server.output / "stderr.log").open("a") as log:
        log.write(f"{canaries.text('leak into the log')}\n")
    path = (server.directory / "sockets").read_text().strip()
    with valkey.Valkey(unix_socket_path=f"{path}/valkey.sock") as client:
        client.set("leak", canaries.text("leak into the cache") * 5)
    where = {sighting.where for sighting in sinks.look()}
    files = {name.removeprefix(str(server.directory)).split("/")[2] for name in where if name.startswith(f"{server.directory}/")}
    assert {"base", "pg_wal"} <= files, files
    assert {"cache", "statistics"} <= where, where
    assert any(name.endswith("dump.sql") for name in where)
    assert any(name.endswith("stderr.log") for name in where)
