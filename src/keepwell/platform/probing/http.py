"""One HTTP request, without following anything: the caller looks at each address first."""

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pycurl

from keepwell.platform.probing.addresses import parsed
from keepwell.platform.probing.models import MOST_BODY, Fault, HttpProbe, Observation
from keepwell.platform.probing.resolver import Address
from keepwell.platform.probing.transfers import TransferError, Transfers

_MOST_HEADERS = 64 * 1024
_FAULTS: Mapping[int, Fault] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "dns-failed",
    pycurl.E_COULDNT_CONNECT: "refused",
    pycurl.E_OPERATION_TIMEDOUT: "timed-out",
    pycurl.E_SSL_CONNECT_ERROR: "tls-failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls-failed",
    pycurl.E_SSL_CERTPROBLEM: "tls-failed",
    pycurl.E_SSL_CIPHER: "tls-failed",
    pycurl.E_SSL_ISSUER_ERROR: "tls-failed",
    pycurl.E_SSL_INVALIDCERTSTATUS: "tls-failed",
    pycurl.E_URL_MALFORMAT: "unusable-request",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_SEND_ERROR: "reset",
    pycurl.E_PARTIAL_FILE: "reset",
}
_UNREACHABLE = {101, 113}  # ENETUNREACH, EHOSTUNREACH
_AGENT = "Keepwell-Monitor/1"


class Target(msgspec.Struct, frozen=True):
    """Where a request goes: an address that was looked up and looked at, and for how many seconds it may take."""

    url: str
    host: str
    port: int
    addresses: Sequence[Address]
    seconds: float


class Exchange:
    """What comes back, as it comes, bounded. Too much of a body ends the transfer; it is an answer all the same.

    Connections are made to the addresses that were looked at and to no other, however libcurl reads the host and whatever it
    has kept of other transfers.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self.astray = False
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.full = False
        self._header_bytes = 0

    def connection(self, _purpose: int, there: Any) -> "_Lent | int":
        """The socket to connect by; none to an address that nobody looked at."""
        if parsed(there.addr[0]) not in self._addresses:
            self.astray = True
            return pycurl.SOCKET_BAD
        return _Lent(socket.socket(there.family, there.socktype, there.protocol).detach())

    def header(self, line: bytes) -> int | None:
        """Takes one line, the status line of each answer among them."""
        self._header_bytes += len(line)
        if self._header_bytes > _MOST_HEADERS:
            return -1
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self.headers.clear()
            return None
        name, separator, value = text.partition(":")
        if separator:
            self._keep(name.strip().lower(), value.strip())
        return None

    def _keep(self, name: str, value: str) -> None:
        before = self.headers.get(name)
        self.headers[name] = value if before is None else f"{before}, {value}"

    def content(self, data: bytes) -> int | None:
        """Takes a piece of the body."""
        self.body += data[: MOST_BODY - len(self.body)]
        self.full = len(self.body) >= MOST_BODY
        return -1 if self.full else None


class _Lent:
    """A socket that libcurl takes a copy of; this one is closed once it has."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


async def exchange(transfers: Transfers, probe: HttpProbe, target: Target, authority: str | None) -> Observation:
    """Asks once. Times do not include looking the name up."""
    curl: Any = pycurl.Curl()
    came = Exchange(target.addresses)
    try:
        _prepare(curl, probe, target, came, authority)
    except (pycurl.error, UnicodeError, ValueError, TypeError):
        curl.close()
        return Observation(error="unusable-request")
    try:
        await transfers.perform(curl)
        return _observed(curl, came)
    except TransferError as failure:
        if failure.code == pycurl.E_WRITE_ERROR and came.full:
            return _observed(curl, came)
        return _timed(curl, Observation(error="forbidden-address")) if came.astray else _failed(curl, failure.code)
    finally:
        curl.close()


def _failed(curl: Any, code: int) -> Observation:
    error = _FAULTS.get(code, "not-http")
    if code == pycurl.E_COULDNT_CONNECT and curl.getinfo(pycurl.OS_ERRNO) in _UNREACHABLE:
        error = "unreachable"
    return _timed(curl, Observation(error=error))


def _observed(curl: Any, came: Exchange) -> Observation:
    seen = Observation(
        status=curl.getinfo(pycurl.RESPONSE_CODE),
        headers=came.headers,
        body=bytes(came.body),
        certificate_expires=_expiry(curl.getinfo(pycurl.INFO_CERTINFO)),
    )
    return _timed(curl, seen)


def _timed(curl: Any, seen: Observation) -> Observation:
    """With the phases, of which libcurl says when each was over."""
    connected, secured = curl.getinfo(pycurl.CONNECT_TIME), curl.getinfo(pycurl.APPCONNECT_TIME)
    first, total = curl.getinfo(pycurl.STARTTRANSFER_TIME), curl.getinfo(pycurl.TOTAL_TIME)
    return msgspec.structs.replace(
        seen,
        total_ms=total * 1000,
        connect_ms=connected * 1000 if connected else None,
        tls_ms=(secured - connected) * 1000 if secured else None,
        first_byte_ms=(first - max(connected, secured)) * 1000 if first else None,
        address=curl.getinfo(pycurl.PRIMARY_IP) or None,
    )


def _expiry(chain: Sequence[Sequence[tuple[str, str]]]) -> datetime | None:
    """When the certificate that the server showed first expires."""
    said = dict(chain[0]).get("Expire date") if chain else None
    if said is None:
        return None
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(said), UTC)
    except ValueError:
        return None


def _prepare(curl: Any, probe: HttpProbe, target: Target, came: Exchange, authority: str | None) -> None:
    options: dict[int, Any] = {
        pycurl.URL: target.url,
        pycurl.CUSTOMREQUEST: probe.method,
        pycurl.HTTPHEADER: _lines(probe),
        pycurl.RESOLVE: _resolved(target),
        pycurl.OPENSOCKETFUNCTION: came.connection,
        pycurl.TIMEOUT_MS: max(1, int(target.seconds * 1000)),
        pycurl.CONNECTTIMEOUT_MS: max(1, int(target.seconds * 1000)),
        pycurl.WRITEFUNCTION: came.content,
        pycurl.HEADERFUNCTION: came.header,
        pycurl.NOSIGNAL: 1,
        pycurl.FRESH_CONNECT: 1,
        pycurl.FORBID_REUSE: 1,
        pycurl.PROXY: "",
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.USERAGENT: _AGENT,
        pycurl.ACCEPT_ENCODING: "",
    }
    if probe.method == "HEAD":
        options[pycurl.NOBODY] = 1
    if probe.body:
        options |= {pycurl.POSTFIELDS: probe.body, pycurl.POSTFIELDSIZE: len(probe.body)}
    if target.url.startswith("https:"):
        options |= _secured(probe, authority)
    if probe.basic is not None:
        options |= {pycurl.HTTPAUTH: pycurl.HTTPAUTH_BASIC, pycurl.USERNAME: probe.basic[0], pycurl.PASSWORD: probe.basic[1]}
    for option, value in options.items():
        curl.setopt(option, value)
    _kept_apart(curl)


def _kept_apart(curl: Any) -> None:
    """What libcurl keeps of names is this transfer's own. It looks through all that it keeps at every transfer."""
    names = pycurl.CurlShare()
    names.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
    curl.setopt(pycurl.SHARE, names)


def _secured(probe: HttpProbe, authority: str | None) -> dict[int, Any]:
    options: dict[int, Any] = {
        pycurl.OPT_CERTINFO: 1,
        pycurl.SSL_VERIFYPEER: int(probe.verify),
        pycurl.SSL_VERIFYHOST: 2 if probe.verify else 0,
    }
    if authority is not None:
        options[pycurl.CAINFO] = authority
    if probe.certificate is not None:
        options |= {pycurl.SSLCERT_BLOB: probe.certificate.encode(), pycurl.SSLKEY_BLOB: probe.certificate.encode()}
    return options


def _lines(probe: HttpProbe) -> list[str]:
    lines = [f"{name}: {value}" for name, value in probe.headers.items()]
    if probe.bearer is not None:
        lines.append(f"Authorization: Bearer {probe.bearer}")
    if any("\r" in text or "\n" in text for text in (probe.method, *lines)):
        raise ValueError("the method or a header holds a line break")
    return [*lines, "Expect:"]


def _resolved(target: Target) -> list[str]:
    """The addresses of a name, for libcurl to keep for a minute at most: names that are asked no more are forgotten."""
    if parsed(target.host) is not None:
        return []
    return [f"+{target.host}:{target.port}:{','.join(_bracketed(each) for each in target.addresses)}"]


def _bracketed(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
