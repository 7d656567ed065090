"""The embedded servers through every way their users, their guardian and they themselves can end."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from keepwell.platform.embedded import EmbeddedServers, EmbeddedStartError, client_program
from keepwell.platform.embedded.layout import Layout
from keepwell.platform.embedded.process import processes_in
from tests.support.waiting import eventually

USER = """
import sys, time
from pathlib import Path
from keepwell.platform.embedded import EmbeddedServers
servers = EmbeddedServers.attach(Path(sys.argv[1]))
print(servers.migration_url, flush=True)
try:
    time.sleep(300)
except KeyboardInterrupt:
    servers.close()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory; whatever still runs in it at the end is ended by force. Not below pytest's own folder, because that
    one is closed again to other users whenever another run of pytest starts.
    """
    parent = Path(tempfile.mkdtemp(prefix="keepwell-embedded-"))
    path = parent / "data"
    yield path
    for process in (*guardians(path), *server_processes(path)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs([*guardians(path), *server_processes(path)], 10)
    shutil.rmtree(parent, ignore_errors=True)


def guardians(directory: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if "keepwell.platform.embedded.guardian" in words and words[-1] == str(directory):
                found.append(process)
    return found


def server_processes(directory: Path) -> list[psutil.Process]:
    layout = Layout(directory)
    return processes_in(layout.postgres, "postgres") + processes_in(layout.valkey, "valkey-server")


def nothing_runs(directory: Path) -> bool:
    return not guardians(directory) and not server_processes(directory)


def assert_all_ended(directory: Path) -> None:
    """After the last hold was closed: the servers are gone already, the guardian is at its last breath."""
    assert not server_processes(directory)
    eventually(lambda: not guardians(directory))


def postmaster(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "postgres" / "postmaster.pid").read_text().split()[0]))


def valkey(directory: Path) -> psutil.Process:
    return processes_in(directory / "valkey", "valkey-server")[0]


def start_user(directory: Path) -> "subprocess.Popen[str]":
    """Another process that holds the servers, in a process group of its own as a shell would start it."""
    user = subprocess.Popen([sys.executable, "-c", USER, str(directory)], stdout=subprocess.PIPE, text=True, process_group=0)
    assert user.stdout is not None
    assert user.stdout.readline().startswith("postgresql://")
    return user


def end_user(user: "subprocess.Popen[str]", number: signal.Signals) -> None:
    os.killpg(user.pid, number)
    with user:
        user.wait(30)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row[0] if row else None


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def as_nobody(command: list[str | Path]) -> "subprocess.CompletedProcess[str]":
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(
        command,
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def ping(url: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(url.removeprefix("unix://"))
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


def write(servers: EmbeddedServers, value: int) -> None:
    with psycopg.connect(servers.migration_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value integer PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def kept(servers: EmbeddedServers) -> list[int]:
    with psycopg.connect(servers.migration_url) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def test_what_was_written_is_there_at_the_next_start(directory: Path):
    with EmbeddedServers.attach(directory) as servers:
        write(servers, 1)
        assert ping(servers.valkey_url)
        assert ask(servers.app_url, "SELECT current_user") == "keepwell_app"
        assert ask(servers.auditor_url, "SELECT current_user") == "keepwell_auditor"
    assert_all_ended(directory)
    with EmbeddedServers.attach(directory, seconds=10) as servers:
        assert kept(servers) == [1]
    assert_all_ended(directory)


def test_durability_is_on_and_the_log_is_blind(directory: Path):
    with EmbeddedServers.attach(directory, valkey=False) as servers:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert ask(servers.app_url, f"SHOW {name}") == "on", name
        assert ask(servers.app_url, "SHOW listen_addresses") == ""
        with psycopg.connect(servers.migration_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE person (name text UNIQUE)")
            connection.execute("INSERT INTO person VALUES ('canary-7f3a')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO person VALUES ('canary-7f3a')")
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                connection.execute("SELECT 'canary-7f3a'::uuid")
            with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                connection.execute("SELECT %s::text::integer", ("canary-7f3a",))
    assert "canary" not in (directory / "postgres.log").read_text()


def test_only_the_servers_asked_for_are_started(directory: Path):
    with EmbeddedServers.attach(directory, postgres=False) as servers:
        assert ping(servers.valkey_url)
        assert not (directory / "postgres").exists()
        with EmbeddedServers.attach(directory) as both:
            assert answers(both.app_url)
            assert both.valkey_url == servers.valkey_url
    assert_all_ended(directory)


def test_servers_stay_while_anybody_holds_them(directory: Path):
    first = EmbeddedServers.attach(directory)
    second = EmbeddedServers.attach(directory)
    first.close()
    assert answers(second.app_url)
    assert len(guardians(directory)) == 1
    second.close()
    assert_all_ended(directory)


def test_ctrl_c_of_the_user_ends_the_servers_in_order(directory: Path):
    end_user(start_user(directory), signal.SIGINT)
    eventually(lambda: nothing_runs(directory))
    assert "database system is shut down" in (directory / "postgres.log").read_text()


def test_a_killed_user_leaves_no_orphans_and_no_recovery(directory: Path):
    end_user(start_user(directory), signal.SIGKILL)
    eventually(lambda: nothing_runs(directory))
    with EmbeddedServers.attach(directory) as servers:
        assert answers(servers.app_url)
    log = (directory / "postgres.log").read_text()
    assert "was interrupted" not in log
    assert "automatic recovery" not in log


def test_a_killed_guardian_is_replaced_and_the_servers_never_notice(directory: Path):
    with EmbeddedServers.attach(directory) as servers, psycopg.connect(servers.app_url) as connection:
        before = (postmaster(directory).pid, valkey(directory).pid)
        (guardian,) = guardians(directory)
        guardian.kill()
        layout = Layout(directory)
        eventually(lambda: (ready := layout.read_ready()) and ready.guardian != guardian.pid and ready.postgres and ready.valkey)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert (postmaster(directory).pid, valkey(directory).pid) == before
    eventually(lambda: nothing_runs(directory))


def test_servers_without_guardian_and_users_are_adopted_by_the_next_start(directory: Path):
    user = start_user(directory)
    before = (postmaster(directory).pid, valkey(directory).pid)
    user.send_signal(signal.SIGSTOP)  # else it would replace the guardian
    guardians(directory)[0].kill()
    end_user(user, signal.SIGKILL)
    assert server_processes(directory)
    with EmbeddedServers.attach(directory) as servers:
        assert answers(servers.app_url)
        assert ping(servers.valkey_url)
        assert (postmaster(directory).pid, valkey(directory).pid) == before
    assert_all_ended(directory)


def test_a_killed_postmaster_comes_back_with_all_that_was_committed(directory: Path):
    with EmbeddedServers.attach(directory) as servers:
        write(servers, 1)
        busy = psycopg.connect(servers.app_url, autocommit=True)
        with busy, busy.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            for value in (2, 3, 4):
                write(servers, value)
                victim = postmaster(directory)
                victim.kill()
                eventually(lambda gone=victim.pid: answers(servers.app_url) and postmaster(directory).pid != gone)
        assert kept(servers) == [1, 2, 3, 4]
    assert_all_ended(directory)


def test_a_backend_too_busy_to_notice_does_not_hold_up_the_return(directory: Path):
    with EmbeddedServers.attach(directory, valkey=False) as servers:
        program = "DO $$ BEGIN LOOP END LOOP; END $$"
        busy = subprocess.Popen([client_program("psql"), servers.app_url, "-c", program], stderr=subprocess.DEVNULL)
        with busy:
            eventually(lambda: ask(servers.app_url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"))
            victim = postmaster(directory)
            victim.kill()
            eventually(lambda: answers(servers.app_url) and postmaster(directory).pid != victim.pid)
            busy.wait(10)
    assert_all_ended(directory)


def test_a_killed_valkey_comes_back(directory: Path):
    with EmbeddedServers.attach(directory) as servers:
        victim = valkey(directory)
        victim.kill()
        eventually(lambda: ping(servers.valkey_url) and valkey(directory).pid != victim.pid)
        assert answers(servers.app_url)


def test_everything_killed_at_once_starts_again(directory: Path):
    with EmbeddedServers.attach(directory) as servers:
        write(servers, 1)
        user = start_user(directory)
    for victim in (psutil.Process(user.pid), *guardians(directory), *server_processes(directory)):
        with contextlib.suppress(psutil.NoSuchProcess):  # backends follow their postmaster by themselves
            victim.kill()
    end_user(user, signal.SIGKILL)
    eventually(lambda: nothing_runs(directory))
    with EmbeddedServers.attach(directory, seconds=20) as servers:
        assert kept(servers) == [1]


def test_notes_left_by_processes_long_gone_do_not_mislead(directory: Path):
    """After a crash of the machine the process ids in the notes may belong to anybody, to us for instance."""
    with EmbeddedServers.attach(directory):
        notes = (directory / "postgres" / "postmaster.pid").read_text().splitlines()
        ready = (directory / "ready.json").read_bytes()
    notes[0] = str(os.getpid())
    (directory / "postgres" / "postmaster.pid").write_text("\n".join(notes) + "\n")
    (directory / "ready.json").write_bytes(ready)
    with EmbeddedServers.attach(directory) as servers:
        assert answers(servers.app_url)


def test_a_damaged_cluster_is_left_for_a_person_to_look_at(directory: Path):
    with EmbeddedServers.attach(directory, valkey=False):
        pass
    (directory / "postgres" / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedStartError, match="restore it or move it away"):
        EmbeddedServers.attach(directory, valkey=False, seconds=20)
    assert (directory / "postgres" / "base").is_dir()


def test_half_a_cluster_is_not_taken_for_one(directory: Path):
    (directory / "postgres.draft.old").mkdir(parents=True)
    with EmbeddedServers.attach(directory, valkey=False) as servers:
        assert answers(servers.app_url)
    assert not list(directory.glob("postgres.draft*"))


def test_a_start_killed_while_it_makes_the_cluster_leaves_nothing_in_the_way(directory: Path):
    user = subprocess.Popen([sys.executable, "-c", USER, str(directory)], stdout=subprocess.DEVNULL, process_group=0)
    eventually(lambda: list(directory.glob("postgres.draft*/PG_VERSION")))
    user.kill()
    for guardian in guardians(directory):
        guardian.kill()
    with user:
        user.wait(10)
    with EmbeddedServers.attach(directory) as servers:
        write(servers, 1)
        assert kept(servers) == [1]
    assert not list(directory.glob("postgres.draft*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can name another user's folder")
def test_why_nothing_can_be_started_is_said_at_once(directory: Path):
    directory.mkdir()
    (directory / "run").symlink_to("/var")
    with pytest.raises(EmbeddedStartError, match="is not ours"):
        EmbeddedServers.attach(directory, seconds=30)
    assert pwd.getpwuid(Path("/var").stat().st_uid).pw_name == "root"


def test_many_users_at_once_get_one_guardian_and_the_same_servers(directory: Path):
    script = USER.replace("time.sleep(300)", "input()")
    users = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(6)
    ]
    urls = {user.stdout.readline() for user in users if user.stdout}
    assert len(urls) == 1
    assert next(iter(urls)).startswith("postgresql://")
    assert len(guardians(directory)) == 1
    for user in users:
        user.communicate("\n", timeout=30)
    eventually(lambda: nothing_runs(directory))


def test_a_user_who_comes_while_the_servers_are_going_gets_new_ones(directory: Path):
    for _ in range(4):
        user = start_user(directory)
        user.kill()  # the guardian ends the servers; at the same time:
        with user, EmbeddedServers.attach(directory) as servers:
            assert answers(servers.app_url)


def test_a_long_path_gets_a_short_private_folder_for_sockets(directory: Path):
    directory = directory / ("long" * 25) / "data"
    with EmbeddedServers.attach(directory) as servers:
        assert answers(servers.app_url)
        assert ping(servers.valkey_url)
        folder = Path((directory / "sockets").read_text().strip())
        assert folder.stat().st_mode & 0o077 == 0
    assert_all_ended(directory)
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_nobody_else_can_connect(directory: Path):
    with EmbeddedServers.attach(directory) as servers:
        command = [client_program("psql"), "-h", directory / "run", "-U", "keepwell_app", "-c", "SELECT 1", "keepwell"]
        stranger = as_nobody(command)
        assert stranger.returncode != 0
        assert "Permission denied" in stranger.stderr
        # Even with the door of the folder open the server asks who is calling.
        (directory / "run").chmod(0o755)
        (directory / "run" / ".s.PGSQL.5432").chmod(0o777)
        stranger = as_nobody(command)
        assert "Peer authentication failed" in stranger.stderr
        assert answers(servers.app_url)
        assert pwd.getpwuid(postmaster(directory).uids().real).pw_name != "root"


def test_our_secrets_do_not_reach_the_servers(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEEPWELL_MASTER_KEY", "planted-secret")
    with EmbeddedServers.attach(directory):
        for process in (postmaster(directory), valkey(directory), *guardians(directory)):
            assert "planted-secret" not in str(process.environ())


def test_servers_of_a_removed_directory_end(directory: Path):
    user = start_user(directory)
    directory.rename(directory.with_name("gone"))
    eventually(lambda: not guardians(directory) and not server_processes(directory.with_name("gone")))
    user.kill()
    with user:
        user.wait(10)
