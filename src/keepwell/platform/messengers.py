"""Messages by any of the services that apprise knows, at addresses that clinics name, bounded in time and in what they reach.

A thread that sends may connect to public addresses only, whatever name, redirect or parameter led it there; it starts no program
and opens no file but the program's own. What it connected to is shut when its time is over, so that no server can hold it.
Nothing that apprise says is logged: it names addresses with the secrets in them.
"""

import asyncio
import logging
import mimetypes
import os
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from typing import Any, Literal, cast

import msgspec

from keepwell.platform.probing import forbidden

SECONDS = 15.0
_THREADS = 8
_LOCAL = frozenset({"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Services that are this machine."""
_READABLE = tuple({os.path.realpath(each) + os.sep for each in (sys.prefix, sys.base_prefix)} | {sys.prefix + os.sep})
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"})
_sending = threading.local()

Tone = Literal["failure", "warning", "info", "success"]


class MessageError(Exception):
    """It was not sent: `reason` is a word for why, `final` says that trying again is in vain."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Message(msgspec.Struct, frozen=True):
    """What is said. `key` names what it is about to services that keep that themselves, as PagerDuty does; `over`: it is over."""

    title: str
    text: str
    tone: Tone
    key: str = ""
    over: bool = False


class Messenger:
    """Sends, each message within `seconds`. `private`: this machine and private networks may be reached, for trying out."""

    def __init__(self, *, private: bool = False, seconds: float = SECONDS) -> None:
        self._private = private
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="message")

    async def known(self, url: str) -> bool:
        """Whether an address is one of a service that a message can be sent by."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _made, url) is not None

    async def send(self, url: str, message: Message) -> None:
        """Returns once the service has taken it.

        Raises:
            MessageError: it did not, or not in time.
        """
        held = _Held(private=self._private)
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.get_running_loop().run_in_executor(self._pool, _sent, url, message, held)
        except TimeoutError:
            raise MessageError("timed-out") from None
        finally:
            held.end()

    def close(self) -> None:
        """Lets threads end; a message on its way may not be delivered."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Held:
    """What one thread has opened while it sends, and may open."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._over = False
        self.forbidden = False

    def connecting(self, opened: socket.socket, address: Any) -> None:
        """Keeps a second handle of what is being connected: of the first, TLS makes another one.

        Raises:
            PermissionError: it may not be.
        """
        with self._lock:
            if self._over or not (self._private or _public(address)):
                self.forbidden = self.forbidden or not self._over
                raise PermissionError("not a public address")
            self._sockets.append(socket.socket(fileno=os.dup(opened.fileno())))

    def end(self) -> None:
        """Shuts everything, for ever."""
        with self._lock:
            self._over = True
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._sockets.clear()


def _public(address: Any) -> bool:
    try:
        found = ip_address(str(address[0]).partition("%")[0])
    except (ValueError, TypeError, IndexError):
        return False  # a name that is still to be resolved, or a socket of this machine
    return not forbidden(found)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Sees what every thread is about to do; says no to those that send. It must be quick: it is asked of everything."""
    held: _Held | None = getattr(_sending, "held", None)
    if held is None:
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        held.connecting(arguments[0], arguments[1])
    elif event in _PROGRAMS:
        raise PermissionError("no program is started")
    elif event == "open" and isinstance(arguments[0], str) and not os.path.realpath(arguments[0]).startswith(_READABLE):
        raise PermissionError("no such file is opened")


def _service(url: str) -> Any:
    """The service of an address, by apprise; None: it knows none, or none that is elsewhere."""
    import apprise  # noqa: PLC0415 - large, and few processes send anything

    logging.getLogger("apprise").disabled = True
    if url.partition("://")[0].strip().lower() in _LOCAL:
        return None
    asset: Any = apprise.AppriseAsset(app_id="Keepwell", app_desc="Keepwell", async_mode=False, storage_mode="memory")
    made: Any = cast("Any", apprise.Apprise).instantiate(url, asset=asset, suppress_exceptions=True)
    if made is not None:
        made.retry = 0  # who is told of a failure tries again
    return made


@cache
def _watch_all() -> None:
    """From now on, for as long as the process lives."""
    mimetypes.init()  # it reads files of the machine, once
    sys.addaudithook(_watch)


def _guarded(held: _Held, work: Callable[[], Any]) -> Any:
    _watch_all()
    _sending.held = held
    try:
        return work()
    finally:
        _sending.held = None


def _made(url: str) -> Any:
    return _guarded(_Held(private=False), lambda: _service(url))


def _sent(url: str, message: Message, held: _Held) -> None:
    if not _guarded(held, lambda: _notified(url, message)):
        raise MessageError("forbidden-address" if held.forbidden else "refused", final=held.forbidden)


def _notified(url: str, message: Message) -> bool:
    service = _service(url)
    if service is None:
        raise MessageError("unknown-service", final=True)
    # PagerDuty opens, changes and closes one incident of its own for each of ours.
    if message.key and hasattr(service, "dedup") and hasattr(service, "action"):
        service.dedup, service.action = message.key, "resolve" if message.over else "trigger"
    return bool(service.notify(title=message.title, body=message.text, notify_type=message.tone))
