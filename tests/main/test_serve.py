"""The program as a process: started, used, stopped, killed."""

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.load import PASSWORD
from tests.support.receiver import receiver_beside
from tests.support.server import PROGRAM, Server, free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", workers=2)
    yield server
    server.destroy()


def processes_in_metrics(server: Server) -> set[str]:
    return set(re.findall(r'process="(\d+)"', httpx.get(f"{server.base}/metrics").text))


def children(server: Server) -> set[int]:
    """The ids of the living API processes besides the main one."""
    found: set[int] = set()
    for process in psutil.Process(server.main.pid).children():
        with contextlib.suppress(psutil.Error):
            if "keepwell.main.cli" in process.cmdline():
                found.add(process.pid)
    return found


def in_flight(server: Server) -> float:
    text = httpx.get(f"{server.base}/metrics").text
    return float(re.findall(r"^keepwell_http_requests_in_flight (\S+)", text, re.MULTILINE)[0])


def accepts(server: Server) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=5):
        return True
    return False


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def stdout(server: Server) -> str:
    return (server.output / "stdout.log").read_text()


def test_serve_says_where_it_is_and_how_to_log_in_and_ends_without_a_trace(server: Server):
    server.start()
    eventually(lambda: f"ready at {server.base}\n" in stdout(server), 60)
    assert "admin@demo.test" in stdout(server)
    eventually(lambda: processes_in_metrics(server) == {"0", "1"})
    credentials = {"email": "clinician@demo.test", "password": "keepwell-demo-pass"}
    token = httpx.post(f"{server.base}/v1/auth/login", json=credentials).json()["access_token"]
    for _ in range(8):  # over connections of their own, so that both processes get some
        assert httpx.get(f"{server.base}/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert server.stop(signal.SIGTERM) == 0
    assert not server.processes()


def test_a_killed_child_is_replaced_and_a_killed_parent_leaves_nobody(server: Server):
    server.start()
    eventually(lambda: processes_in_metrics(server) == {"0", "1"}, 60)
    [child] = children(server)
    psutil.Process(child).kill()
    eventually(lambda: children(server) - {child})
    eventually(lambda: processes_in_metrics(server) == {"0", "1"}, 60)
    server.kill_main()
    eventually(lambda: not server.processes(), 60)


def test_a_port_in_use_is_said_before_anything_is_started(server: Server):
    server.start()
    command = [PROGRAM, "serve", "--port", str(server.port)]
    other = server.directory.with_name("other")
    environment = {**server.environment, "KEEPWELL_DATA_DIR": str(other)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert f"127.0.0.1:{server.port}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not other.exists()


def test_more_connections_than_the_database_allows_are_refused_at_start(tmp_path: Path):
    server = Server(tmp_path / "data", demo=False, settings={"pool_size_api": "95"})
    try:
        server.launch()
        assert server.main.wait(60) == 3
        assert "KEEPWELL_POOL_SIZE" in server.said()
    finally:
        server.destroy()


def test_the_command_line_proves_a_served_database(server: Server, tmp_path: Path):
    server.start()
    assert server.cli("db", "check").returncode == 0
    sealed = server.cli("audit", "checkpoint")
    assert (sealed.returncode, "journal: " in sealed.stdout) == (0, True)
    exported = tmp_path / "checkpoints"
    exported.write_text(server.cli("audit", "export").stdout)
    proved = server.cli("audit", "verify", "--checkpoint", str(exported))
    assert (proved.returncode, proved.stderr) == (0, "")
    assert "Every hash, chain and checkpoint holds." in proved.stdout
    for contents in (b"", b"\n", b"\xff\xfe"):
        exported.write_bytes(contents)
        useless = server.cli("audit", "verify", "--checkpoint", str(exported))
        assert (useless.returncode, "Traceback" in useless.stderr) == (2, False)
    compared = server.cli("rebuild", "--check")
    assert (compared.returncode, "is what the journal says" in compared.stdout) == (0, True)

    server.query("UPDATE journal_entry SET payload = payload || 'x'::bytea WHERE kind = 'tenant'")
    assert server.cli("audit", "verify").returncode == 1
    server.query("UPDATE aggregate SET state = state || 'x'::bytea WHERE kind = 'tenant'")
    differing = server.cli("rebuild", "--check")
    assert (differing.returncode, "tenant/" in differing.stdout) == (1, True)


def test_another_master_key_than_the_databases_ends_with_a_sentence(server: Server):
    server.start()
    server.environment["KEEPWELL_MASTER_KEY"] = "another key than the one this database was made with"
    port = str(free_port())
    for words in (
        ["serve", "--port", port],
        ["api", "--port", port],
        ["worker"],
        ["scheduler"],
        ["notifier"],
        ["audit", "verify"],
        ["rebuild", "--check"],
    ):
        ended = server.cli(*words)
        assert (ended.returncode, "master key does not open" in ended.stderr) == (3, True), words
        assert "Traceback" not in ended.stderr


def test_api_worker_scheduler_and_notifier_run_as_processes_of_their_own(server: Server):
    server.environment["KEEPWELL_MONITOR_ALLOW_PRIVATE"] = "true"
    server.start()
    watched = ("--port", "0")
    kinds = {"api": watched, "worker": (), "scheduler": watched, "watched worker": watched, "watched notifier": watched}
    running = {
        kind: subprocess.Popen(
            [PROGRAM, kind.split()[-1], *options],
            env=server.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for kind, options in kinds.items()
    }
    try:
        said = {kind: first_line(process) for kind, process in running.items()}
        assert said["worker"] == "Keepwell's worker is ready.\n"
        for kind in ("api", "scheduler", "watched worker", "watched notifier"):
            base = said[kind].split()[-1]
            assert httpx.get(f"{base}/health/ready").status_code == 200
            assert "keepwell_database_wait_seconds" in httpx.get(f"{base}/metrics").text
            assert httpx.get(f"{base}/v1/auth/me").status_code == (401 if kind == "api" else 404)
        told_of_a_leaked_key(server)
        for process in running.values():
            process.send_signal(signal.SIGINT)
        assert [process.wait(30) for process in running.values()] == [0] * len(kinds)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()


def told_of_a_leaked_key(server: Server) -> None:
    """It opens an incident, of which whoever watches is told."""
    login = {"email": "admin@demo.test", "password": PASSWORD}
    with receiver_beside() as hook, httpx.Client(base_url=server.base, timeout=20) as admin:
        admin.headers["authorization"] = f"Bearer {admin.post('/v1/auth/login', json=login).json()['access_token']}"
        admin.post("/v1/channels", json={"kind": "webhook", "url": hook.url}).raise_for_status()
        key = admin.post("/v1/keys", json={"name": "Import", "scopes": ["system/Questionnaire.rs"]}).raise_for_status().json()
        assert server.cli("keys", "leaked", given=key["token"]).returncode == 0
        eventually(lambda: hook.taken, 60)
        [line] = hook.taken[0].json["data"]["incidents"]
        assert (line["happened"], line["title"]) == ("opened", "A key was found where it must not be")


def test_settings_and_help_need_no_server(tmp_path: Path):
    environment = {"PATH": "", "KEEPWELL_MASTER_KEY": "canary-secret", "KEEPWELL_POOL_WAIT_S": "7.5"}
    told = subprocess.run(
        [PROGRAM, "settings"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert "canary-secret" not in told.stdout
    assert re.search(r"KEEPWELL_MASTER_KEY +\(set\)", told.stdout)
    assert re.search(r"KEEPWELL_POOL_WAIT_S +7\.5 +2\.0", told.stdout)
    for words in (
        ["--version"],
        ["--help"],
        ["serve", "--help"],
        ["db", "--help"],
        ["audit", "--help"],
        ["users", "--help"],
        ["flags", "--help"],
    ):
        assert subprocess.run([PROGRAM, *words], capture_output=True, timeout=30, check=True).stdout
    assert not list(tmp_path.iterdir())


def test_settings_that_cannot_be_used_end_with_a_sentence(tmp_path: Path):
    environment = {"PATH": "", "KEEPWELL_POOL_WAIT_S": "canary-secret"}
    ended = subprocess.run(
        [PROGRAM, "settings"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, "KEEPWELL_POOL_WAIT_S" in ended.stderr) == (3, True)
    assert "canary-secret" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_wrong_use_ends_with_a_sentence(server: Server):
    server.environment["KEEPWELL_DATABASE_URL"] = "planted-secret"
    unusable = server.cli("db", "check")
    assert (unusable.returncode, unusable.stderr.startswith("keepwell: KEEPWELL_DATABASE_URL: ")) == (3, True)
    assert "planted-secret" not in unusable.stderr
    del server.environment["KEEPWELL_DATABASE_URL"]
    for words in (["tenants", "create", "clinic", "--name", "Clinic"], ["audit", "verify"], ["db", "check"]):
        nowhere = server.cli(*words)
        assert (nowhere.returncode, f"no database in {server.directory}" in nowhere.stderr) == (4, True), words
    assert not server.directory.exists()
    assert server.cli("db", "migrate").returncode == 0
    assert server.cli("db", "downgrade", "--yes").returncode == 0
    behind = server.cli("tenants", "create", "clinic", "--name", "Clinic")
    assert (behind.returncode, "keepwell db migrate" in behind.stderr) == (4, True)
    assert server.cli("db", "migrate").returncode == 0
    unknown = server.cli("db", "downgrade", "bogus", "--yes")
    assert (unknown.returncode, "bogus" in unknown.stderr) == (2, True)
    assert server.cli("db", "check").returncode == 0
    for ended in (unusable, behind, unknown):
        assert "Traceback" not in ended.stderr


def test_a_request_in_flight_is_finished_before_the_end(tmp_path: Path):
    server = Server(tmp_path / "data", demo=False)
    try:
        server.start()
        with httpx.Client(base_url=server.base) as idle, socket.create_connection(("127.0.0.1", server.port)) as busy:
            idle.get("/health/live")  # a connection that only waits must not hold the end up
            body = b'{"email": "nobody@demo.test", "password": "some wrong pass"}'
            head = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            busy.sendall(head % len(body) + body[:10])
            eventually(lambda: in_flight(server) == 2)  # it, and the one that asks
            server.main.send_signal(signal.SIGTERM)
            eventually(lambda: not accepts(server))
            busy.sendall(body[10:])
            assert busy.recv(100).startswith(b"HTTP/1.1 401")
            assert server.main.wait(20) == 0
    finally:
        server.destroy()
