"""What the door counts and logs about every request. No address, no value, no body: route templates and ids only."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from prometheus_client import Counter, Gauge, Histogram

from keepwell.kernel.http import headers as header
from keepwell.kernel.http.exchange import Exchange
from keepwell.kit.time import SystemClock
from keepwell.platform.telemetry import Line, describe, write

REQUESTS = Counter("keepwell_http_requests", "Requests answered", ["route", "method", "status"])
SECONDS = Histogram(
    "keepwell_http_request_duration_seconds",
    "Time from the end of the headers to the end of the answer",
    ["route", "method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
IN_FLIGHT = Gauge("keepwell_http_requests_in_flight", "Requests being served now")
SOCKETS = Gauge("keepwell_http_sockets", "WebSocket connections open now")
SOCKETS_CLOSED = Counter("keepwell_http_sockets_closed", "WebSocket connections ended, by close code", ["route", "code"])
COMPRESSION_IN = Counter("keepwell_http_compression_in_bytes", "Bytes of answers before they were compressed", ["coding"])
COMPRESSION_OUT = Counter("keepwell_http_compression_out_bytes", "Bytes of the same answers afterwards", ["coding"])
WITHOUT_ID = Counter("keepwell_http_requests_without_id", "Requests that came without an X-Request-ID")
SKEWED = Counter(
    "keepwell_skewed_timestamps", "Requests from a clock, or with a file from a time, that is far from ours", ["source"]
)
FAR = timedelta(minutes=1)
"""What a clock that is kept right, and a request on its way, do not differ by."""


class RequestLine(Line, kw_only=True):
    """One answered request."""

    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str


_CLOSE_CODES = frozenset({*range(1000, 1016), 4401, 4403, 4404, 4408, 4409, 4429})
"""RFC 6455, 7.4.1, and our own; anybody may send any other."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_clock = SystemClock()
_log = structlog.stdlib.get_logger("keepwell.http")


def begin(exchange: Exchange) -> None:
    """Lets every log line written while this request is served carry its ids."""
    structlog.contextvars.bind_contextvars(request_id=exchange.request_id, trace_id=exchange.trace_id)
    IN_FLIGHT.inc()


def finish(exchange: Exchange) -> None:
    """Counts one finished request and writes its log line."""
    IN_FLIGHT.dec()
    seconds = exchange.seconds
    method = exchange.method if exchange.method in _METHODS else "OTHER"
    counter, histogram = _series(exchange.route, method, exchange.status)
    counter.inc()
    histogram.observe(seconds)
    if not exchange.named_itself:
        WITHOUT_ID.inc()
    now = _clock.now()
    for source in skewed(exchange.headers, now - timedelta(seconds=seconds)):
        SKEWED.labels(source).inc()
    write(
        RequestLine(
            event="http.request",
            timestamp=now,
            method=method,
            route=exchange.route,
            status=exchange.status,
            duration_ms=round(seconds * 1000, 3),
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
        )
    )


def skewed(headers: Mapping[bytes, bytes], began: datetime) -> tuple[str, ...]:
    """Which clocks are not ours: the `client`'s by its `Date`, the one a `file` was last written by when that lies ahead."""
    sent, written = header.instant(headers, b"date"), header.instant(headers, b"last-modified")
    client = ("client",) if sent is not None and abs(sent - began) > FAR else ()
    return (*client, "file") if written is not None and written - began > FAR else client


@lru_cache(maxsize=10_000)  # routes, methods and statuses are all from the code, so this ends somewhere
def _series(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, method, status), SECONDS.labels(route, method)


def record_bug(route: str, request_id: str, trace_id: str, error: Exception) -> None:
    """Logs an exception nobody expected: its class and the lines of ours it went through, never its message or values."""
    _log.error("http.bug", **describe(error), route=route, request_id=request_id, trace_id=trace_id)


def begin_socket(request_id: str, trace_id: str) -> None:
    """As `begin`, for a WebSocket connection."""
    structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_id)
    SOCKETS.inc()


def finish_socket(route: str, code: int, seconds: float, request_id: str, trace_id: str) -> None:
    """Counts one ended connection by its close code, and writes its log line."""
    SOCKETS.dec()
    SOCKETS_CLOSED.labels(route, code if code in _CLOSE_CODES else "other").inc()
    duration_ms = round(seconds * 1000, 3)
    _log.info("http.socket", route=route, status=code, duration_ms=duration_ms, request_id=request_id, trace_id=trace_id)


def count_compressed(coding: str, size: int, sent: int) -> None:
    """Counts an answer of `size` bytes that left as `sent` bytes."""
    COMPRESSION_IN.labels(coding).inc(size)
    COMPRESSION_OUT.labels(coding).inc(sent)


def count_unreadable(status: int, request_id: str) -> None:
    """Counts and logs bytes that never became a request, under the id their sender is told."""
    _log.info("http.unreadable", status=status, request_id=request_id)
    REQUESTS.labels("unreadable", "OTHER", status).inc()
