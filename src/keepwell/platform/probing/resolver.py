"""Names into addresses, kept for as long as their records say, and DNS questions."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
from dns.nameserver import Do53Nameserver

from keepwell.platform.probing.addresses import parsed

Address = IPv4Address | IPv6Address

_HOSTS = Path("/etc/hosts")
_MOST_NAMES = 20_000
_LONGEST_S = 3600.0
_SHORTEST_S = 1.0
_OTHER_KIND_SECONDS = 1.0
_AWAY = (dns.exception.DNSException, OSError, ValueError)


class NoAddressError(Exception):
    """The name leads nowhere, or nobody says where."""


class Resolver:
    """One per prober. `servers` are asked, as `address` or `address:port`; without any, those that this machine asks.

    Names of the hosts file come first, as everywhere else on the machine.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._servers = tuple(servers)
        self._resolver: Any = None
        self._found: OrderedDict[str, tuple[float, tuple[Address, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[tuple[Address, ...]]] = {}
        self._hosts: dict[str, tuple[Address, ...]] = {}
        self._hosts_at = -1.0

    async def addresses(self, host: str, seconds: float) -> tuple[Address, ...]:
        """Every address of a host, an address being its own.

        Raises:
            NoAddressError: there is none.
            TimeoutError: nobody said in time.
        """
        literal = parsed(host)
        if literal is not None:
            return (literal,)
        name = host.rstrip(".").lower()
        known = self._of_hosts(name) or self._kept(name)
        if known:
            return known
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.create_task(self._ask(name), name="resolve")
            asking.add_done_callback(lambda done: self._asked(name, done))
        async with asyncio.timeout(seconds):
            return await asyncio.shield(asking)

    def asked(self, host: str) -> tuple[tuple[Address, ...], bool]:
        """Where packets go on behalf of a host: to its addresses, as far as they are known without asking; else to name servers,
        and whether those pass questions on to others.
        """
        literal, name = parsed(host), host.rstrip(".").lower()
        known = (literal,) if literal is not None else self._of_hosts(name) or self._kept(name)
        if known:
            return known, False
        servers = [parsed(str(getattr(each, "address", each))) for each in self._own().nameservers]
        return tuple(each for each in servers if each is not None), not self._servers

    async def records(self, name: str, record: str, server: str | None, seconds: float) -> tuple[str, ...]:
        """The texts of the records of a name, sorted; none if it has none of this type.

        Raises:
            NoAddressError: there is no such name, or the server does not say.
            TimeoutError: it did not say in time.
        """
        resolver = _of([server]) if server else self._own()
        try:
            async with asyncio.timeout(seconds):
                answer = await resolver.resolve(name, record, lifetime=seconds, raise_on_no_answer=False, search=False)
        except dns.exception.Timeout as error:
            raise TimeoutError from error
        except _AWAY as error:
            raise NoAddressError from error
        return tuple(sorted(str(each) for each in answer.rrset or ()))

    def _asked(self, name: str, done: "asyncio.Task[tuple[Address, ...]]") -> None:
        del self._asking[name]
        if not done.cancelled():
            done.exception()  # who waited was told; nobody may be left

    async def _ask(self, name: str) -> tuple[Address, ...]:
        both = await self._both(name)
        found = tuple(address for addresses, _ in both for address in addresses)
        if not found:
            raise NoAddressError(name)
        lifetime = min(lifetime for addresses, lifetime in both if addresses)
        self._found[name] = (time.monotonic() + min(max(lifetime, _SHORTEST_S), _LONGEST_S), found)
        if len(self._found) > _MOST_NAMES:
            self._found.popitem(last=False)
        return found

    async def _both(self, name: str) -> list[tuple[list[Address], float]]:
        """What is said of both kinds of addresses. Once one kind is known the other is not waited for long: some never answer."""
        asking = [asyncio.create_task(self._one(name, record)) for record in ("A", "AAAA")]
        try:
            done, asked = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            if asked and any(each.result()[0] for each in done):
                done, _ = await asyncio.wait(asking, timeout=_OTHER_KIND_SECONDS)
            elif asked:
                done, _ = await asyncio.wait(asking)
            return [each.result() for each in asking if each in done]
        finally:
            for each in asking:
                each.cancel()

    async def _one(self, name: str, record: str) -> tuple[list[Address], float]:
        try:
            answer = await self._own().resolve(name, record, raise_on_no_answer=False, search=False)
        except _AWAY:
            return [], 0.0
        texts = [each.address for each in answer.rrset or ()]
        return [address for text in texts if (address := parsed(text)) is not None], float(answer.rrset.ttl if texts else 0)

    def _kept(self, name: str) -> tuple[Address, ...]:
        until, found = self._found.get(name, (0.0, ()))
        return found if time.monotonic() < until else ()

    def _own(self) -> Any:
        if self._resolver is None:
            self._resolver = _of(self._servers)
        return self._resolver

    def _of_hosts(self, name: str) -> tuple[Address, ...]:
        try:
            changed = _HOSTS.stat().st_mtime
            if changed != self._hosts_at:
                self._hosts, self._hosts_at = _read(_HOSTS.read_text(errors="replace")), changed
        except OSError:
            return ()
        return self._hosts.get(name, ())


def _of(servers: Sequence[str]) -> Any:
    """A resolver that keeps nothing itself and gives up on its own."""
    resolver: Any = dns.asyncresolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [_server(each) for each in servers]
    resolver.cache = None
    resolver.lifetime = 5.0
    return resolver


def _server(text: str) -> Any:
    host, separator, port = text.rpartition(":")
    if separator and port.isdigit() and parsed(host) is not None:
        return Do53Nameserver(host.strip("[]"), int(port))
    return text


def _read(text: str) -> dict[str, tuple[Address, ...]]:
    found: dict[str, tuple[Address, ...]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        address = parsed(words[0]) if words else None
        if address is not None:
            for name in words[1:]:
                found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found
