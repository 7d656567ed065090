"""Log lines: JSON, from the list only, whoever writes them and whatever went wrong."""

import ast
import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from keepwell.platform import telemetry

CANARY = "canary-Zoë-1987"
SOURCE = Path(telemetry.__file__).parents[1]


class Log(io.BytesIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


@pytest.fixture
def log() -> Iterator[Log]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    output = Log()
    telemetry.configure("info", output, process="api")
    yield output
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook = hooks


def test_a_line_says_what_when_and_where(log: Log):
    structlog.contextvars.bind_contextvars(request_id="r-1", trace_id="0af7651916cd43dd8448eb211c80319c")
    tenant = UUID("0197a000-0000-7000-8000-000000000000")
    structlog.get_logger("keepwell.http").info(
        "http.request", route="/v1/responses/{id}", status=200, duration_ms=1.25, tenant=tenant
    )
    line = log.last()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "http.request",
        "level": "info",
        "process": "api",
        "request_id": "r-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "route": "/v1/responses/{id}",
        "status": 200,
        "duration_ms": 1.25,
        "tenant": str(tenant),
    }


def test_unlisted_fields_and_unlikely_values_stay_out(log: Log):
    structlog.get_logger().info(
        "http.request",
        email="a@b.test",
        answers={"q1": CANARY},
        reason="patient said: 'no', and left",
        code="a@b.test",
        kind=["fine", CANARY],
        error=object(),
        step="x" * 500,
    )
    line = log.last()
    assert (line["reason"], line["code"], line["kind"], line["error"], line["step"]) == (
        "(withheld)",
        "(withheld)",
        ["fine", "(withheld)"],
        "(withheld)",
        "(withheld)",
    )
    assert not {"email", "answers"} & line.keys()
    assert CANARY not in json.dumps(log.lines(), ensure_ascii=False)


def test_a_sentence_is_no_event(log: Log):
    structlog.get_logger().info(f"Hello {CANARY}")
    assert log.last()["event"] == "(withheld)"


def fail_on(value: str) -> None:
    int(value)


def test_an_exception_is_its_class_and_our_lines(log: Log):
    try:
        fail_on(CANARY)
    except ValueError:
        structlog.get_logger().exception("work.failed")
    assert log.last()["error"] == "ValueError"
    assert log.last()["frames"] == []
    try:
        telemetry.configure(CANARY)
    except KeyError as error:
        structlog.get_logger().error("work.failed", exc_info=error)
    assert log.last()["error"] == "KeyError"
    assert [frame.split(":")[0] for frame in log.last()["frames"]] == ["platform/telemetry.py"]
    assert CANARY not in json.dumps(log.lines(), ensure_ascii=False)


def test_libraries_say_where_not_what(log: Log):
    logging.getLogger("uvicorn.error").error("Exception in ASGI application %s", CANARY)
    assert log.last()["source"].startswith("uvicorn.error:test_telemetry.py:")
    try:
        fail_on(CANARY)
    except ValueError:
        logging.getLogger("asyncpg").exception(CANARY)
    assert log.last()["error"] == "ValueError"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARY, stacklevel=1)
    assert log.last()["source"].startswith("py.warnings:")
    assert CANARY not in json.dumps(log.lines(), ensure_ascii=False)


async def test_a_task_nobody_asked_about_is_logged_without_its_words(log: Log):
    asyncio.get_running_loop().call_exception_handler({"message": CANARY, "exception": ValueError(CANARY)})
    assert log.last()["error"] == "ValueError"
    assert CANARY not in json.dumps(log.lines(), ensure_ascii=False)


def test_levels_below_the_setting_are_not_written(log: Log):
    structlog.get_logger().debug("quiet.event")
    assert log.lines() == []


def test_a_process_that_dies_of_an_exception_says_no_more_than_its_class():
    program = f"from keepwell.platform import telemetry; telemetry.configure(process='api'); int({CANARY!r})"
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert died.returncode == 1
    assert json.loads(died.stderr)["event"] == "process.uncaught"
    assert CANARY.encode() not in died.stderr + died.stdout


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
                and ast.unparse(node.func.value) in ("_log", "log", "logger")
                and "embedded" not in path.parts  # the guardian has a log of its own, and no data in reach
            ):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_every_field_we_log_is_on_the_list():
    """A field that is dropped silently is a hole in somebody's investigation."""
    for place, call in log_calls():
        names = {keyword.arg for keyword in call.keywords if keyword.arg is not None} - {"exc_info"}
        assert names <= telemetry.FIELDS, f"{place} logs {sorted(names - telemetry.FIELDS)}"


class AnsweredLine(telemetry.Line, kw_only=True):
    route: str
    status: int


def answered() -> AnsweredLine:
    return AnsweredLine(event="http.request", timestamp=datetime(2026, 1, 2, tzinfo=UTC), route="/v1/x", status=200)


def test_a_line_of_known_shape_is_written_as_any_other(log: Log):
    telemetry.write(answered())
    assert log.last() == {
        "event": "http.request",
        "timestamp": "2026-01-02T00:00:00Z",
        "level": "info",
        "process": "api",
        "route": "/v1/x",
        "status": 200,
    }


def test_a_line_of_known_shape_keeps_to_the_level(log: Log):
    telemetry.configure("warning", log)
    telemetry.write(answered())
    assert not log.lines()


def test_who_listens_to_structlog_hears_lines_of_known_shape(log: Log):
    with structlog.testing.capture_logs() as heard:
        telemetry.write(answered())
    assert (heard[0]["event"], heard[0]["status"]) == ("http.request", 200)
    assert not log.lines()


def test_a_line_of_known_shape_has_fields_of_the_list_only():
    with pytest.raises(TypeError, match="name"):

        class NamedLine(telemetry.Line, kw_only=True):  # pyright: ignore[reportUnusedClass]
            name: str
