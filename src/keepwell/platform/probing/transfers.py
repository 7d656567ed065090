"""HTTP transfers of libcurl in asyncio's event loop: many at once, without threads."""

import asyncio
from typing import Any

import pycurl


class TransferError(Exception):
    """A transfer that did not come to its end. `code` is libcurl's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Transfers:
    """One per event loop. libcurl says which sockets it waits for, and until when; the loop tells it what happened."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._watched: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[Any, asyncio.Future[None]] = {}

    def close(self) -> None:
        """Ends what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        for curl, waiter in list(self._waiting.items()):
            self._remove(curl)
            waiter.cancel()
        for descriptor in list(self._watched):
            self._forget(descriptor)
        self._multi.close()

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
        self._forget(descriptor)
        if event == pycurl.POLL_REMOVE:
            return
        self._watched[descriptor] = event
        if event & pycurl.POLL_IN:
            self._loop.add_reader(descriptor, self._act, descriptor, pycurl.CSELECT_IN)
        if event & pycurl.POLL_OUT:
            self._loop.add_writer(descriptor, self._act, descriptor, pycurl.CSELECT_OUT)

    def _forget(self, descriptor: int) -> None:
        event = self._watched.pop(descriptor, 0)
        if event & pycurl.POLL_IN:
            self._loop.remove_reader(descriptor)
        if event & pycurl.POLL_OUT:
            self._loop.remove_writer(descriptor)

    def _set_timer(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds >= 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._act, pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, event: int) -> None:
        self._multi.socket_action(descriptor, event)
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
