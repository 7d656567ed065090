"""Looking at targets from outside: what is asked of one, and what was seen of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec


class Observation(msgspec.Struct, frozen=True):
    """What was seen. `error` is a stable word where the transport failed. Times are in milliseconds; None: it did not come to it.

    `headers` have lower-case names, `body` is cut at 64 kB, `answers` are DNS records.
    """

    ok_transport: bool
    error: str | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = {}
    body: bytes = b""
    address: str | None = None
    certificate_expires: datetime | None = None
    answers: tuple[str, ...] = ()


class HttpProbe(msgspec.Struct, frozen=True):
    """One HTTP request. `basic` is name and password; `certificate` a certificate with its chain and its key, both in PEM."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    follow_redirects: bool = True
    basic: tuple[str, str] | None = None
    bearer: str | None = None
    certificate: tuple[str, str] | None = None
    verify: bool = True
    timeout_s: float = 10.0


class TcpProbe(msgspec.Struct, frozen=True):
    """A connection, and what is sent over it."""

    host: str
    port: int
    send: bytes | None = None
    timeout_s: float = 10.0


class DnsProbe(msgspec.Struct, frozen=True):
    """A question to a server, or to the machine's own."""

    name: str
    record: Literal["A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT", "CAA", "PTR"] = "A"
    server: str | None = None
    timeout_s: float = 10.0


class TlsProbe(msgspec.Struct, frozen=True):
    """A handshake."""

    host: str
    port: int
    timeout_s: float = 10.0


Probe = HttpProbe | TcpProbe | DnsProbe | TlsProbe
