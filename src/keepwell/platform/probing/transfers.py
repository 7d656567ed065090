"""HTTP transfers of libcurl in asyncio's event loop: many at once, without threads."""

import asyncio
import selectors
from typing import Any

import pycurl

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_EVENTS = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}
_HAPPENED = {_READ: pycurl.CSELECT_IN, _WRITE: pycurl.CSELECT_OUT, _READ | _WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT}


class TransferError(Exception):
    """A transfer that did not come to its end. `code` is libcurl's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Transfers:
    """One per event loop. libcurl says which sockets it waits for, and until when, and is told what happened.

    The sockets are in a selector of their own, of which the loop only sees that something happened: each lives for one transfer,
    and would cost the loop more than it costs to talk by it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._selector = selectors.DefaultSelector()
        self._watched: set[int] = set()
        self._loop.add_reader(self._selector, self._heard)
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[Any, asyncio.Future[None]] = {}

    def close(self) -> None:
        """Ends what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        for curl, waiter in list(self._waiting.items()):
            self._remove(curl)
            waiter.cancel()
        self._multi.close()
        self._loop.remove_reader(self._selector)
        self._selector.close()

    async def perform(self, curl: Any) -> None:
        """Runs a transfer to its end.

        Raises:
            TransferError: it failed.
        """
        waiter = self._waiting[curl] = self._loop.create_future()
        self._multi.add_handle(curl)
        try:
            await waiter
        finally:
            self._remove(curl)

    def _remove(self, curl: Any) -> None:
        if self._waiting.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def _watch(self, event: int, descriptor: int, _multi: object, _data: object) -> None:
        if event == pycurl.POLL_REMOVE:
            if descriptor in self._watched:
                self._watched.remove(descriptor)
                self._selector.unregister(descriptor)
        elif descriptor in self._watched:
            self._selector.modify(descriptor, _EVENTS[event])
        else:
            self._watched.add(descriptor)
            self._selector.register(descriptor, _EVENTS[event])

    def _set_timer(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds >= 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._expired)

    def _expired(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._tell_ended()

    def _heard(self) -> None:
        for key, events in self._selector.select(0):
            self._multi.socket_action(key.fd, _HAPPENED[events])
        self._tell_ended()

    def _tell_ended(self) -> None:
        while True:
            queued, done, failed = self._multi.info_read()
            for curl in done:
                self._tell(curl, None)
            for curl, code, _ in failed:
                self._tell(curl, TransferError(code))
            if not queued:
                return

    def _tell(self, curl: Any, failure: TransferError | None) -> None:
        waiter = self._waiting.get(curl)
        if waiter is None or waiter.done():
            return
        if failure is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(failure)
