"""Logs: one JSON object a line, made of fields from a list. What is not on the list cannot get in, whoever logs it.

A log is read by people and machines that may not know what a clinic knows. So nobody's message, no value and no repr goes
into it: an event has a name, fields come from `FIELDS`, an error is its class and the lines of ours it went through.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast
from uuid import UUID

import msgspec
import structlog

FIELDS = frozenset(
    {
        # what and when
        "event",
        "level",
        "timestamp",
        "source",
        # one request, job or message through all of the system
        "request_id",
        "trace_id",
        "span_id",
        "parent_id",
        # how it came in and what came of it
        "door",
        "route",
        "method",
        "status",
        "duration_ms",
        "step",
        "outcome",
        "code",
        "command",
        "reason",
        "attempt",
        # whom and what it was about: identifiers, never names
        "tenant",
        "actor",
        "role",
        "kind",
        "id",
        "version",
        "count",
        # which part of the program
        "process",
        "pid",
        "part",
        "work",
        "restart_in_s",
        "retry_after_s",
        # what went wrong
        "error",
        "frames",
    }
)

_EVENT = re.compile(r"[a-z][a-z0-9_.-]{0,79}")
# No @, quote, comma or control character: an address, a sentence or a document does not pass for an identifier.
_WORD = re.compile(r"[A-Za-z0-9_.:/{}$<>*+ -]{0,200}")
_WITHHELD = "(withheld)"
_PACKAGE = Path(__file__).parents[1]
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_encoder = msgspec.json.Encoder()
_info: tuple[Callable[[bytes], None], str] | None = None


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line that is written for every request: its fields are checked once, when a subclass is made, not each time.

    A subclass holds only values its maker vouches for: names from the code, numbers, identifiers of a checked form.

    Raises:
        TypeError: a field of the subclass is not in `FIELDS`.
    """

    event: str
    timestamp: datetime
    level: str = ""
    process: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        strangers = cls.__annotations__.keys() - FIELDS
        if strangers:
            raise TypeError(f"no field of log lines: {', '.join(sorted(strangers))}")


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(level: str = "info", output: BinaryIO | None = None, **context: str | int) -> None:
    """Sends every log line of this process, those of libraries included, to `output` (standard error) in the one form.

    `context` is added to each line, such as `process="api"`.
    """
    global _info  # noqa: PLW0603 - structlog's own configuration is one a process, too
    stream = output or sys.stderr.buffer
    wrapper = structlog.make_filtering_bound_logger(_LEVELS[level])
    structlog.configure(
        processors=[
            _adding(context),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            describe_exception,
            keep_listed,
            render,
        ],
        wrapper_class=wrapper,
        logger_factory=structlog.BytesLoggerFactory(stream),
        cache_logger_on_first_use=output is None,
    )
    process = str(context.get("process", ""))
    _info = (structlog.BytesLogger(stream).msg, process) if _LEVELS[level] <= logging.INFO else None
    root = logging.getLogger()
    root.handlers[:] = [LibraryHandler()]
    root.setLevel(max(_LEVELS[level], logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "alembic", "sqlalchemy"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def write(line: Line) -> None:
    """Writes one line of level info. Where `configure` did not set structlog up, or a test listens, structlog gets it."""
    processors = structlog.get_config()["processors"]
    if not processors or processors[-1] is not render:
        structlog.get_logger().info(**{**msgspec.structs.asdict(line), "level": "info"})
    elif _info is not None:
        output, line.process = _info
        line.level = "info"
        output(_encoder.encode(line))


def describe(error: BaseException) -> dict[str, Any]:
    """The fields of an error: its class, and the lines of ours it went through, innermost last."""
    frames: list[str] = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            frames.append(f"{path.relative_to(_PACKAGE)}:{frame.lineno}:{frame.name}")
    return {"error": type(error).__qualname__, "frames": frames}


def describe_exception(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces `exc_info` by what may be said of the exception."""
    given: Any = fields.pop("exc_info", None)
    error: Any = given
    if given is True:
        error = sys.exception()
    elif isinstance(given, tuple):
        error = cast("ExcInfo", given)[1]
    if isinstance(error, BaseException):
        fields.update(describe(error))
    return fields


def keep_listed(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops every field that is not on the list, and withholds values that do not look like what such fields hold."""
    kept = {name: _plain(value) for name, value in fields.items() if name in FIELDS}
    if not _EVENT.fullmatch(str(fields.get("event", ""))):
        kept["event"] = _WITHHELD
    return kept


def render(_logger: Any, _method: str, fields: Mapping[str, Any]) -> bytes:
    """The line, without its end."""
    return _encoder.encode(fields)


class LibraryHandler(logging.Handler):
    """Logs of libraries: where they come from and the class of the error, if any. Their words may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        source = f"{record.name}:{Path(record.pathname).name}:{record.lineno}:{record.funcName}"
        log = structlog.get_logger()
        method = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        try:
            getattr(log, method)("library.message", source=source, exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001 - logging must not fail what is being logged
            self.handleError(record)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else _WITHHELD
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:50]]  # pyright: ignore[reportUnknownVariableType]
    return _WITHHELD


def _adding(context: Mapping[str, str | int]) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in context.items():
            fields.setdefault(name, value)
        return fields

    return add


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger().error("process.uncaught", exc_info=error)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        structlog.get_logger().error("thread.uncaught", exc_info=args.exc_value)
