"""Whether this machine knows a way to an address: what its own routes and interfaces say, without anything being sent."""

import asyncio
import errno
import fcntl
import socket
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_DISCARD = 9
_GET_FLAGS = 0x8913  # SIOCGIFFLAGS
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_EVERY_SECONDS = 0.25
_SETTLING_SECONDS = 3.0
"""For so long after an interface came back its routes and neighbours may not be known yet."""
_NAME_BYTES, _REQUEST_BYTES = 16, 40  # of struct ifreq


class Ways:
    """The ways of this machine, now and in the moments before: one that was lost and is back may have cost a probe its answer."""

    def __init__(self) -> None:
        self._lost_at = dict.fromkeys((True, False), float("-inf"))

    async def watch(self) -> None:
        """Keeps looking at interfaces, until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_EVERY_SECONDS)

    def led(self, addresses: Iterable[IPv4Address | IPv6Address], since: float) -> bool:
        """Whether there is a route to one of them, and an interface on this side of it ran since an instant (`monotonic`)."""
        return any(_is_route(each) and self.ran(since, loopback=each.is_loopback) for each in addresses)

    def ran(self, since: float, *, loopback: bool) -> bool:
        """Whether an interface that leads off this machine, or the one that does not, ran since then and shortly before."""
        self._look()
        return self._lost_at[loopback] + _SETTLING_SECONDS < since

    def _look(self) -> None:
        for loopback in self._lost_at:
            if not _is_running(loopback=loopback):
                self._lost_at[loopback] = time.monotonic()


def _is_running(*, loopback: bool) -> bool:
    """Only Linux is asked; elsewhere it is taken to be so."""
    if sys.platform != "linux":
        return True
    wanted = _UP | _RUNNING | (_LOOPBACK if loopback else 0)
    return any(_flags(name) & (_UP | _RUNNING | _LOOPBACK) == wanted for _, name in socket.if_nameindex())


def _is_route(address: IPv4Address | IPv6Address) -> bool:
    """Connecting a datagram socket looks its route up, and sends nothing."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((str(address), _DISCARD))
    except OSError as error:
        return error.errno not in _NO_WAY
    return True


def _flags(interface: str) -> int:
    """Of an interface of our own network namespace, which is not always the one that /sys shows. None set: it is gone."""
    request = struct.pack(f"{_REQUEST_BYTES}s", interface.encode())
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return struct.unpack_from("H", fcntl.ioctl(asking, _GET_FLAGS, request), _NAME_BYTES)[0]
    return 0
