"""The head of an answer leaves with its body, and never later than the turn after it was written."""

import asyncio

from keepwell.kernel.http.connection import Together

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Remembers what was sent, and in how many system calls."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def side(wire: Wire) -> Together:
    return Together(wire, asyncio.get_running_loop())


async def test_head_and_body_leave_in_one_call_and_later_parts_at_once() -> None:
    wire = Wire()
    together = side(wire)
    together.write(HEAD)
    assert wire.sent == []
    together.write(b"o")
    together.write(b"k")
    assert wire.sent == [HEAD + b"o", b"k"]


async def test_a_head_whose_body_does_not_follow_leaves_at_the_next_turn_of_the_loop() -> None:
    wire = Wire()
    together = side(wire)
    together.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    together.write(b"ok")
    assert wire.sent == [HEAD, b"ok"]


async def test_closing_sends_what_waits_and_nothing_twice() -> None:
    wire = Wire()
    together = side(wire)
    together.write(HEAD)
    together.close()
    await asyncio.sleep(0)
    assert (wire.sent, together.is_closing()) == ([HEAD], True)


async def test_a_go_ahead_does_not_wait_for_anything() -> None:
    wire = Wire()
    together = side(wire)
    together.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    together.write(HEAD)
    together.write(b"ok")
    assert wire.sent[1:] == [HEAD + b"ok"]
