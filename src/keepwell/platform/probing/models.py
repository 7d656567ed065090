"""What can be asked, and what was seen. Times to wait are in seconds, times that passed in milliseconds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

MOST_BODY = 64 * 1024
"""So many bytes of an answer's body are kept; more are not waited for."""

Fault = Literal[
    "dns-failed",
    "forbidden-address",
    "refused",
    "no-route",
    "unreachable",
    "timed-out",
    "reset",
    "tls-failed",
    "too-many-redirects",
    "not-http",
    "unusable-request",
]
"""Why there is no answer. `no-route`: this machine itself knows no way there, which says nothing of the target."""

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]


class HttpProbe(msgspec.Struct, frozen=True):
    """A request. `basic` is a login and a password; `certificate` is a PEM with our certificate and its private key.

    A redirect is followed at most ten times; what authenticates us is not told to another origin.
    """

    url: str
    timeout_s: float = 10.0
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    follow_redirects: bool = True
    verify: bool = True
    basic: tuple[str, str] | None = None
    bearer: str | None = None
    certificate: str | None = None


class TcpProbe(msgspec.Struct, frozen=True):
    """A connection; with something to `send`, or to `hear` who speaks first, the first bytes that come back are the body."""

    host: str
    port: int
    timeout_s: float = 10.0
    send: bytes = b""
    hear: bool = False


class TlsProbe(msgspec.Struct, frozen=True):
    """A TLS connection, for its certificate."""

    host: str
    port: int = 443
    timeout_s: float = 10.0
    verify: bool = True


class DnsProbe(msgspec.Struct, frozen=True):
    """A question, to `server` (an address, or `address:port`) or to whom this machine asks."""

    name: str
    record: RecordType = "A"
    server: str | None = None
    timeout_s: float = 10.0


Probe = HttpProbe | TcpProbe | TlsProbe | DnsProbe


class Observation(msgspec.Struct, frozen=True):
    """What was seen. `error` None: it answered; whether what it said is good is for others to judge.

    Each phase is its own part of the time, None where there was none; they add up to about `total_ms`. Header names are in lower
    case. `answers` are the texts of DNS records, sorted.
    """

    error: Fault | None = None
    total_ms: float = 0.0
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = {}
    body: bytes = b""
    address: str | None = None
    certificate_expires: datetime | None = None
    answers: tuple[str, ...] = ()

    @property
    def ok_transport(self) -> bool:
        """Whether there was an answer at all."""
        return self.error is None
