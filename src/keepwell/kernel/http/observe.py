"""What the door counts and logs about every request. No address, no value, no body: route templates and ids only."""

from functools import lru_cache

import structlog
from prometheus_client import Counter, Gauge, Histogram

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
WITHOUT_ID = Counter("keepwell_http_requests_without_id", "Requests that came without an X-Request-ID")


class RequestLine(Line, kw_only=True):
    """One answered request."""

    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str


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
    write(
        RequestLine(
            event="http.request",
            timestamp=_clock.now(),
            method=method,
            route=exchange.route,
            status=exchange.status,
            duration_ms=round(seconds * 1000, 3),
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
        )
    )


@lru_cache(maxsize=10_000)  # routes, methods and statuses are all from the code, so this ends somewhere
def _series(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, method, status), SECONDS.labels(route, method)


def record_bug(exchange: Exchange, error: Exception) -> None:
    """Logs an exception nobody expected: its class and the lines of ours it went through, never its message or values."""
    _log.error(
        "http.bug",
        **describe(error),
        route=exchange.route,
        request_id=exchange.request_id,
        trace_id=exchange.trace_id,
    )


def count_unreadable(status: int, request_id: str) -> None:
    """Counts and logs bytes that never became a request, under the id their sender is told."""
    _log.info("http.unreadable", status=status, request_id=request_id)
    REQUESTS.labels("unreadable", "OTHER", status).inc()
