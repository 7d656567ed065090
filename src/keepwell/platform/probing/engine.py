"""The prober: looks names up, looks at every address, asks, and follows redirects with the same care."""

import asyncio
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec.structs import replace

from keepwell.kit.time import Clock, SystemClock
from keepwell.platform.probing.addresses import forbidden
from keepwell.platform.probing.http import Target, exchange
from keepwell.platform.probing.models import DnsProbe, HttpProbe, Observation, Probe, TcpProbe, TlsProbe
from keepwell.platform.probing.resolver import Address, NoAddressError, Resolver
from keepwell.platform.probing.sockets import connect, secure
from keepwell.platform.probing.steadiness import Steadiness
from keepwell.platform.probing.transfers import Transfers
from keepwell.platform.probing.ways import Ways

_MOST_REDIRECTS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
_PLAIN_HEADERS = {"accept", "accept-encoding", "accept-language", "content-type", "user-agent"}
"""What another origin may be told: any other header may be one by which its sender is known."""
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
"""A name, or an address. Other characters, such as %, are not read alike by all who read addresses."""
_DOUBTFUL = ("dns-failed", "unreachable", "timed-out")
"""What may have failed on our side of the network."""
_CANARY_SECONDS = 3.0
_FRESH_SECONDS = 5.0


class ProberSettings(msgspec.Struct, frozen=True):
    """`at_once` and `per_target` bound what is under way, in all and to one host and port.

    `canaries` are `host:port` that answer as long as our own network works; without any, it works where there is a way to a
    target. `name_servers` and `authority` (a file of certificates) replace those of the machine. `allowed` are networks that may
    always be asked.
    """

    at_once: int = 500
    per_target: int = 4
    canaries: tuple[str, ...] = ()
    name_servers: tuple[str, ...] = ()
    authority: str | None = None
    allowed: tuple[str, ...] = ()


class Prober:
    """One per process. What a target does never makes it raise."""

    def __init__(self, settings: ProberSettings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or ProberSettings()
        self._resolver = Resolver(self.settings.name_servers)
        self._allowed = [ip_network(each) for each in self.settings.allowed]
        self._steadiness = Steadiness(clock or SystemClock())
        self._transfers: Transfers | None = None
        self._all = asyncio.Semaphore(self.settings.at_once)
        self._targets: dict[str, tuple[asyncio.Semaphore, int]] = {}
        self._ways = Ways()
        self._watching: asyncio.Task[None] | None = None
        self._egress = (float("-inf"), True)
        self._looking = asyncio.Lock()

    async def open(self) -> None:
        """Makes ready, in the event loop it is used in."""
        self._transfers = Transfers()
        self._watching = asyncio.create_task(self._ways.watch(), name="ways")

    async def close(self) -> None:
        """Cuts off what is under way."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._transfers is not None:
            transfers, self._transfers = self._transfers, None
            transfers.close()

    async def probe(self, probe: Probe, *, private: bool = False) -> Observation:
        """Asks once, in all within the probe's own time, counted from when its turn came. `private`: any address is allowed."""
        self._steadiness.steady()
        async with _Turn(self._targets, _target(probe), self.settings.per_target), self._all:
            started = time.monotonic()
            try:
                async with asyncio.timeout(probe.timeout_s):
                    seen = await self._ask(probe, private=private)
            except TimeoutError:
                seen = Observation(error="timed-out", total_ms=_since(started))
        return seen if seen.error not in _DOUBTFUL or self._led(probe, started) else replace(seen, error="no-route")

    def _led(self, probe: Probe, since: float) -> bool:
        """Whether there was a way to where a probe went first."""
        places, forwarding = self._resolver.asked(_host(probe))
        return self._ways.led(places, since) and (not forwarding or self._ways.ran(since, loopback=False))

    async def egress(self, since: float = float("-inf")) -> bool:
        """Whether our own network and clock work: one canary that answers is enough. Looked at anew after some seconds, or where
        the last look began before `since`, an instant of the monotonic clock.
        """
        if not self._steadiness.steady():
            return False
        if not self.settings.canaries:
            return True
        async with self._looking:
            at, well = self._egress
            if time.monotonic() - at > _FRESH_SECONDS or at < since:
                began = time.monotonic()
                well = await self._any_canary()
                self._egress = (began, well)
            return well

    async def _any_canary(self) -> bool:
        asking = [asyncio.create_task(self._canary(each)) for each in self.settings.canaries]
        try:
            for done in asyncio.as_completed(asking):
                if await done:
                    return True
            return False
        finally:
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _canary(self, place: str) -> bool:
        host, _, port = place.rpartition(":")
        try:
            async with asyncio.timeout(_CANARY_SECONDS):
                seen = await self._connected(TcpProbe(host, int(port), _CANARY_SECONDS), private=True)
        except (TimeoutError, ValueError):
            return False
        return seen.error is None  # not if refused: that may well be our own firewall

    async def _ask(self, probe: Probe, *, private: bool) -> Observation:
        match probe:
            case HttpProbe():
                return await self._followed(probe, private=private)
            case DnsProbe():
                return await self._answered(probe, private=private)
            case TcpProbe() | TlsProbe():
                return await self._connected(probe, private=private)

    async def _connected(self, probe: TcpProbe | TlsProbe, *, private: bool) -> Observation:
        started = time.monotonic()
        found = await self._addresses(probe.host, probe.timeout_s, private=private)
        dns_ms = _since(started)
        if isinstance(found, Observation):
            return replace(found, dns_ms=dns_ms, total_ms=dns_ms)
        seen = await (connect(probe, found) if isinstance(probe, TcpProbe) else secure(probe, found, self.settings.authority))
        return replace(seen, dns_ms=dns_ms, total_ms=seen.total_ms + dns_ms)

    async def _answered(self, probe: DnsProbe, *, private: bool) -> Observation:
        started = time.monotonic()
        if probe.server is not None:
            host = urlsplit(f"//{probe.server}").hostname or ""
            found = await self._addresses(host, probe.timeout_s, private=private)
            if isinstance(found, Observation):
                return found
        try:
            answers = await self._resolver.records(probe.name, probe.record, probe.server, probe.timeout_s)
        except NoAddressError:
            return Observation(error="dns-failed", total_ms=_since(started), dns_ms=_since(started))
        return Observation(answers=answers, total_ms=_since(started), dns_ms=_since(started))

    async def _followed(self, probe: HttpProbe, *, private: bool) -> Observation:
        """The answer at the end of the redirects; times add up, phases are those of the last request."""
        until = time.monotonic() + probe.timeout_s
        spent = 0.0
        for _ in range(_MOST_REDIRECTS + 1):
            seen = await self._exchanged(probe, until - time.monotonic(), private=private)
            spent += seen.total_ms
            seen = replace(seen, total_ms=spent)
            location = seen.headers.get("location") if seen.status in _REDIRECTS else None
            if not probe.follow_redirects or location is None:
                return seen
            probe = _redirected(probe, seen.status or 0, location)
        return Observation(error="too-many-redirects", total_ms=spent)

    async def _exchanged(self, probe: HttpProbe, seconds: float, *, private: bool) -> Observation:
        place = _place(probe.url)
        if place is None:
            return Observation(error="unusable-request")
        started = time.monotonic()
        found = await self._addresses(place.host, seconds, private=private)
        dns_ms = _since(started)
        if isinstance(found, Observation):
            return replace(found, dns_ms=dns_ms, total_ms=dns_ms)
        if self._transfers is None:
            raise RuntimeError("the prober is not open")
        target = Target(place.url, place.host, place.port, found, max(0.001, seconds - dns_ms / 1000))
        seen = await exchange(self._transfers, probe, target, self.settings.authority)
        return replace(seen, dns_ms=dns_ms, total_ms=seen.total_ms + dns_ms)

    async def _addresses(self, host: str, seconds: float, *, private: bool) -> Sequence[Address] | Observation:
        """Where a host is; one address that is not allowed is enough to go nowhere."""
        try:
            found = await self._resolver.addresses(host, max(0.001, seconds))
        except NoAddressError:
            return Observation(error="dns-failed")
        if not private and any(forbidden(each) and not self._is_allowed(each) for each in found):
            return Observation(error="forbidden-address")
        return found

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


class _Turn:
    """A turn at one target. Targets nobody waits for are forgotten."""

    def __init__(self, targets: dict[str, tuple[asyncio.Semaphore, int]], target: str, width: int) -> None:
        self._targets = targets
        self._target = target
        self._width = width

    async def __aenter__(self) -> None:
        turns, waiting = self._targets.get(self._target, (asyncio.Semaphore(self._width), 0))
        self._targets[self._target] = (turns, waiting + 1)
        try:
            await turns.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._targets[self._target][0].release()
        self._leave()

    def _leave(self) -> None:
        turns, waiting = self._targets[self._target]
        if waiting == 1:
            del self._targets[self._target]
        else:
            self._targets[self._target] = (turns, waiting - 1)


def _target(probe: Probe) -> str:
    match probe:
        case HttpProbe():
            place = _place(probe.url)
            return f"{place.host}:{place.port}" if place is not None else ""
        case DnsProbe():
            return f"dns:{probe.server or probe.name}"
        case TcpProbe() | TlsProbe():
            return f"{probe.host.lower()}:{probe.port}"


def _host(probe: Probe) -> str:
    """Whom a probe asks first; nobody: whoever looks names up."""
    match probe:
        case HttpProbe():
            place = _place(probe.url)
            return place.host if place is not None else ""
        case DnsProbe():
            return urlsplit(f"//{probe.server or ''}").hostname or ""
        case TcpProbe() | TlsProbe():
            return probe.host


class _Place(NamedTuple):
    """An address we can ask at, written as one writes it, and its parts."""

    url: str
    scheme: str
    host: str
    port: int


@lru_cache(maxsize=20_000)
def _place(text: str) -> _Place | None:
    """What a text says; None for any that is not an address we can ask at."""
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        return None
    usable = url.scheme in _PORTS and bool(_HOST.fullmatch(host)) and port != 0 and url.username is None
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        return None
    return _Place(url.geturl(), url.scheme, host, port or _PORTS[url.scheme])


def _redirected(probe: HttpProbe, status: int, location: str) -> HttpProbe:
    """The next request. One with a body becomes a GET where browsers make it one (RFC 9110, 15.4)."""
    there = replace(probe, url=urljoin(probe.url, location))
    if (status == 303 and probe.method != "HEAD") or (status in (301, 302) and probe.method == "POST"):
        there = replace(there, method="GET", body=b"")
    if _origin(there.url) != _origin(probe.url):
        headers = {name: value for name, value in probe.headers.items() if name.lower() in _PLAIN_HEADERS}
        there = replace(there, headers=headers, basic=None, bearer=None, certificate=None)
    return there


def _origin(text: str) -> tuple[str, str, int] | None:
    place = _place(text)
    return None if place is None else (place.scheme, place.host, place.port)


def _since(instant: float) -> float:
    return (time.monotonic() - instant) * 1000
