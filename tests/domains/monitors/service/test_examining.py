"""Monitors and the prober together, against real servers."""

from asyncio import StreamReader, StreamWriter
from datetime import UTC, datetime
from functools import partial

from keepwell.domains.monitors import examine
from keepwell.domains.monitors.models import Assertion, Extract, Secrets, Step
from keepwell.platform.probing import Prober
from tests.domains.monitors.support import monitor
from tests.support.targets import Answering, target

NOW = datetime(2026, 11, 26, tzinfo=UTC)


async def test_a_flow_is_asked_step_by_step_and_a_server_that_fails_is_down():
    answering = Answering(200, b'{"token": "abc"}')
    prober = Prober()
    await prober.open()
    try:
        async with target(answering) as port:
            base, ask = f"http://127.0.0.1:{port}", partial(prober.probe, private=True)
            steps = (Step("one", "/login", extract=(Extract("token", "json", "$.token"),)), Step("two", "/{{token}}"))
            flow = monitor(kind="flow", target=base, steps=steps, secrets=Secrets(bearer="word"))
            assert (await examine(flow, ask, lambda: NOW)).verdict.up
            assert [request.split(b" ")[1] for request in answering.requests] == [b"/login", b"/abc"]
            assert all(b"Authorization: Bearer word" in request for request in answering.requests)
            wrong = monitor(target=base, assertions=(Assertion("json", "equals", "xyz", "$.token"),))
            assert (await examine(wrong, ask, lambda: NOW)).verdict.reason == "json-failed"
            closed = await examine(monitor(target=base), prober.probe, lambda: NOW)
            assert closed.verdict.reason == "forbidden-address"
    finally:
        await prober.close()


async def test_a_server_that_speaks_first_is_heard_where_something_is_asserted_of_it():
    async def greeting(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"SSH-2.0-Server\r\n")
        await writer.drain()

    prober = Prober()
    await prober.open()
    try:
        async with target(greeting) as port:
            ask, place = partial(prober.probe, private=True), f"127.0.0.1:{port}"
            for value, up in (("SSH-2.0", True), ("220 mail", False)):
                greeted = monitor(kind="tcp", target=place, assertions=(Assertion("body", "contains", value),))
                assert (await examine(greeted, ask, lambda: NOW)).verdict.up == up
    finally:
        await prober.close()
