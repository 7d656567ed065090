"""`keepwell enroll` as an operator uses it, on the data directory of a running server."""

from pathlib import Path

from tests.support.enrolling import people, table
from tests.support.server import running


def test_a_file_is_tried_out_enrolled_and_reported(tmp_path: Path):
    file = tmp_path / "people.csv"
    file.write_bytes(table([*people(1, 2), *people(3, birth_date="soon")]))
    with running(tmp_path / "data") as server:
        [(program,)] = server.query("SELECT id FROM program")
        words = ("enroll", str(file), "--program", str(program))
        tried = server.cli(*words, "--dry-run")
        assert (tried.returncode, "2 enrolled" in tried.stdout) == (0, True), tried.stderr
        assert server.query("SELECT count(*) FROM participant") == [(0,)]
        done = server.cli(*words)
        assert "completed: 3 rows, 2 enrolled, 0 unchanged, 0 updated, 0 conflict, 0 refused, 1 dead." in done.stdout
        assert server.query("SELECT count(*) FROM participant") == [(2,)]
        assert server.cli(*words, "--atomic").returncode == 1
        said = server.cli("enroll", "report").stdout
        assert "Demo program" in said
        assert server.cli("enroll", str(file), "--program", str(program), "--clinic", "nowhere").returncode == 1
