"""The prober: whatever a target does costs a bounded time, has a word of its own, and leads nowhere it must not lead."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from keepwell.platform.probing import DnsProbe, HttpProbe, Observation, Prober, ProberSettings, TcpProbe, TlsProbe
from keepwell.platform.probing.http import Target, exchange
from keepwell.platform.probing.models import MOST_BODY
from keepwell.platform.probing.transfers import Transfers
from tests.support.clock import ManualClock
from tests.support.targets import (
    SPOILT,
    Answering,
    Behaviour,
    Spoilt,
    babbling,
    certificate,
    dripping,
    endless,
    name_server,
    resetting,
    silent,
    swollen,
    target,
)


@asynccontextmanager
async def prober(**settings: Any) -> AsyncGenerator[Prober]:
    made = Prober(ProberSettings(**settings))
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def asked(port: int, **request: Any) -> Observation:
    async with prober() as one:
        return await one.probe(HttpProbe(f"http://127.0.0.1:{port}/", **request), private=True)


async def test_an_answer_is_seen_with_its_phases():
    async with target(Answering(201, b"well", X_Kind="test")) as port:
        seen = await asked(port, method="POST", body=b"{}", headers={"Content-Type": "application/json"})
    assert (seen.error, seen.status, seen.body, seen.headers["x-kind"]) == (None, 201, b"well", "test")
    assert seen.address == "127.0.0.1"
    assert seen.connect_ms is not None
    assert seen.first_byte_ms is not None
    assert seen.tls_ms is None
    assert 0 < seen.connect_ms + seen.first_byte_ms <= seen.total_ms


async def test_what_authenticates_and_what_is_sent_reaches_the_target():
    behaviour = Answering()
    async with target(behaviour) as port:
        await asked(port, basic=("monitor", "secret"), method="PUT", body=b"12345", headers={"X-One": "1"})
        await asked(port, bearer="token")
    first, second = behaviour.requests
    assert first.startswith(b"PUT / HTTP/1.1")
    assert b"Authorization: Basic bW9uaXRvcjpzZWNyZXQ=" in first
    assert b"X-One: 1" in first
    assert b"Content-Length: 5" in first
    assert b"Authorization: Bearer token" in second


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (silent, "timed-out"),
        (dripping, "timed-out"),
        (resetting, "reset"),
        (babbling, "not-http"),
        (swollen, "not-http"),
    ],
)
async def test_bad_behaviour_has_a_word_and_an_end(behaviour: Behaviour, error: str):
    async with target(behaviour) as port:
        seen = await asked(port, timeout_s=0.5)
    assert seen.error == error
    assert seen.status is None


async def test_of_a_body_without_end_the_beginning_is_kept():
    async with target(endless) as port:
        seen = await asked(port)
    assert (seen.error, seen.status, len(seen.body)) == (None, 200, MOST_BODY)


async def test_nobody_there_is_refused_and_no_such_name_failed_to_resolve():
    async with target(silent) as port:
        pass
    assert (await asked(port)).error == "refused"
    async with prober() as one, name_server() as (_, server):
        assert (await one.probe(HttpProbe("http://nowhere.invalid/"))).error == "dns-failed"
        assert (await one.probe(DnsProbe("nowhere.test", server=server), private=True)).error == "dns-failed"


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://a:0/", "http://user@a/", "http://a b/", "http://a/\r\nX: y", "http://[", "http://%61/"]
)
async def test_what_is_no_request_is_said_to_be_none(url: str):
    async with prober() as one:
        assert (await one.probe(HttpProbe(url), private=True)).error == "unusable-request"


async def test_a_header_cannot_smuggle_another():
    async with target(Answering()) as port:
        assert (await asked(port, headers={"X": "1\r\nY: 2"})).error == "unusable-request"
        assert (await asked(port, bearer="1\r\nY: 2")).error == "unusable-request"
        assert (await asked(port, method="GET / HTTP/1.1\r\nY: 2\r\n\r\nGET")).error == "unusable-request"


class TestRedirects:
    """Followed with the same care as the first request."""

    async def test_are_followed_to_the_end_without_what_is_meant_for_the_first(self):
        there = Answering(body=b"the end")
        async with target(there) as end, target(Answering(302, b"", Location=f"http://127.0.0.1:{end}/end")) as port:
            seen = await asked(
                port, bearer="token", headers={"Cookie": "a=b", "X-Key": "1", "Accept": "a/b"}, method="POST", body=b"x"
            )
        assert (seen.status, seen.body) == (200, b"the end")
        assert there.requests[0].startswith(b"GET /end")
        assert b"Authorization" not in there.requests[0]
        assert b"Cookie" not in there.requests[0]
        assert b"X-Key" not in there.requests[0]
        assert b"Accept: a/b" in there.requests[0]

    async def test_are_told_when_they_are_not_to_be_followed(self):
        async with target(Answering(302, b"", Location="http://127.0.0.1:1/")) as port:
            assert (await asked(port, follow_redirects=False)).status == 302

    async def test_without_end_have_one(self):
        async with target(Answering(307, b"", Location="/again")) as port:
            assert (await asked(port)).error == "too-many-redirects"

    async def test_lead_nowhere_that_is_forbidden(self):
        there = Answering()
        async with (
            target(there, host="127.0.0.2") as inside,
            target(Answering(302, b"", Location=f"http://127.0.0.2:{inside}/")) as port,
            prober(allowed=("127.0.0.1/32",)) as one,
        ):
            seen = await one.probe(HttpProbe(f"http://127.0.0.1:{port}/"))
        assert seen.error == "forbidden-address"
        assert there.requests == []


class TestAddresses:
    """Nobody looks into the operator's own networks."""

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:10.0.0.1]", "[::]"]
    )
    async def test_that_are_private_are_not_asked(self, host: str):
        async with prober() as one:
            assert (await one.probe(HttpProbe(f"http://{host}:9/"))).error == "forbidden-address"
            assert (await one.probe(TcpProbe(host.strip("[]"), 9))).error == "forbidden-address"
            assert (await one.probe(TlsProbe(host.strip("[]"), 9))).error == "forbidden-address"
            assert (await one.probe(DnsProbe("a.test", server=host))).error == "forbidden-address"

    @pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1"])
    async def test_in_odd_forms_are_no_way_around(self, host: str):
        async with target(Answering()) as port, prober() as one:
            assert (await one.probe(HttpProbe(f"http://{host}:{port}/"))).error in ("dns-failed", "forbidden-address")

    @pytest.mark.parametrize("host", ["%6cocalhost", "localhos%74", "%31%32%37.0.0.1"])
    async def test_that_libcurl_reads_otherwise_are_not_asked(self, host: str):
        inside = Answering()
        async with target(inside) as port, name_server() as (names, server):
            names.records[host, "A"] = (60, ["203.0.113.7"])
            async with prober(name_servers=(server,), allowed=("203.0.113.0/24",)) as one:
                seen = await one.probe(HttpProbe(f"http://{host}:{port}/", timeout_s=2))
        assert seen.error == "unusable-request"
        assert inside.requests == []

    async def test_that_nobody_looked_at_are_not_connected_to(self):
        inside, transfers = Answering(), Transfers()
        async with target(inside) as port:
            there = Target(f"http://127.0.0.1:{port}/", "127.0.0.1", port, [ip_address("203.0.113.7")], 2.0)
            seen = await exchange(transfers, HttpProbe(there.url), there, None)
        transfers.close()
        assert seen.error == "forbidden-address"
        assert inside.requests == []

    async def test_of_which_one_is_private_are_not_asked(self):
        async with name_server() as (names, server), prober(name_servers=(server,)) as one:
            names.records["both.test", "A"] = (60, ["203.0.113.1", "8.8.8.8", "127.0.0.1"])
            assert (await one.probe(HttpProbe("http://both.test:9/"))).error == "forbidden-address"

    async def test_are_looked_at_anew_when_their_time_is_over(self):
        async with target(Answering()) as port, name_server() as (names, server), prober(name_servers=(server,)) as one:
            names.records["a.test", "A"] = (60, ["127.0.0.1"])
            for _ in range(3):
                assert (await one.probe(HttpProbe(f"http://a.test:{port}/"), private=True)).status == 200
            assert names.asked.count(("a.test", "A")) == 1
            names.records["b.test", "A"] = (0, ["127.0.0.1"])
            assert (await one.probe(TcpProbe("b.test", port), private=True)).error is None
            names.records["b.test", "A"] = (0, ["127.0.0.1", "127.0.0.2"])
            await _asked_again(one, names.asked, port)

    async def test_of_a_name_that_turns_private_are_looked_at_again(self):
        """Rebinding: the first look sees an address that is allowed, a later one does not."""
        inside = Answering()
        async with (
            target(Answering()) as port,
            target(inside, host="127.0.0.2", port=port),
            name_server() as (names, server),
            prober(name_servers=(server,), allowed=("127.0.0.1/32",)) as one,
        ):
            probe = HttpProbe(f"http://a.test:{port}/")
            names.records["a.test", "A"] = (0, ["127.0.0.1"])
            assert (await one.probe(probe)).address == "127.0.0.1"
            names.records["a.test", "A"] = (0, ["127.0.0.2"])
            async with asyncio.timeout(15):
                while (seen := await one.probe(probe)).error is None:
                    assert seen.address == "127.0.0.1"
        assert seen.error == "forbidden-address"
        assert inside.requests == []

    @pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
    async def test_that_a_name_server_tells_badly_are_none(self, spoilt: Spoilt):
        async with name_server(spoilt) as (names, server), prober(name_servers=(server,)) as one:
            names.records["a.test", "A"] = (60, ["127.0.0.1"])
            for probe in (HttpProbe("http://a.test:9/", timeout_s=0.5), DnsProbe("a.test", server=server, timeout_s=0.5)):
                assert (await one.probe(probe, private=True)).error in ("dns-failed", "timed-out")

    @pytest.mark.parametrize(("known", "unheard"), [("A", "AAAA"), ("AAAA", "A")])
    async def test_of_one_kind_do_not_wait_for_those_of_the_other(self, known: str, unheard: str):
        async with name_server() as (names, server), prober(name_servers=(server,)) as one:
            names.records["a.test", known] = (60, ["127.0.0.1" if known == "A" else "::1"])
            names.unheard.add(unheard)
            seen = await one.probe(HttpProbe("http://a.test:9/", timeout_s=4))
        assert seen.error == "forbidden-address", "known before the other kind is given up"

    async def test_that_nobody_tells_in_time_end_the_probe(self):
        async with name_server() as (names, server), prober(name_servers=(server,)) as one:
            names.mute = True
            assert (await one.probe(HttpProbe("http://a.test/", timeout_s=0.3))).error == "timed-out"


async def _asked_again(one: Prober, asked: list[tuple[str, str]], port: int) -> None:
    async with asyncio.timeout(15):
        while asked.count(("b.test", "A")) < 2:
            await one.probe(TcpProbe("b.test", port), private=True)


class TestTls:
    """Certificates are judged, and told of."""

    async def test_of_a_trusted_server_is_seen_with_its_end(self, tmp_path: Path):
        made = certificate(tmp_path)
        async with target(Answering(), made.context()) as port, prober(authority=str(made.file)) as one:
            seen = await one.probe(HttpProbe(f"https://localhost:{port}/"), private=True)
            bare = await one.probe(TlsProbe("localhost", port), private=True)
        assert (seen.error, seen.status) == (None, 200)
        assert seen.tls_ms is not None
        assert seen.certificate_expires == bare.certificate_expires == made.expires
        assert bare.error is None

    @pytest.mark.parametrize(
        ("host", "days", "trusted"), [("localhost", 30, False), ("localhost", -1, True), ("other.test", 30, True)]
    )
    async def test_that_is_not_good_is_told_beside_its_end(self, tmp_path: Path, host: str, days: int, trusted: bool):  # noqa: FBT001
        made = certificate(tmp_path, host, days)
        authority = str(made.file) if trusted else None
        async with target(Answering(), made.context()) as port, prober(authority=authority) as one:
            seen = await one.probe(TlsProbe("localhost", port), private=True)
            assert (seen.error, seen.certificate_expires) == ("tls-failed", made.expires)
            assert (await one.probe(HttpProbe(f"https://localhost:{port}/"), private=True)).error == "tls-failed"
            assert (await one.probe(HttpProbe(f"https://localhost:{port}/", verify=False), private=True)).status == 200

    async def test_on_a_port_without_it_fails(self):
        async with target(babbling) as port, prober() as one:
            assert (await one.probe(TlsProbe("127.0.0.1", port, timeout_s=1), private=True)).error in ("tls-failed", "timed-out")

    async def test_we_show_our_own_certificate_when_there_is_one(self, tmp_path: Path):
        made = certificate(tmp_path)
        context = made.context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(made.file)
        async with target(Answering(), context) as port, prober(authority=str(made.file)) as one:
            url = f"https://localhost:{port}/"
            assert (await one.probe(HttpProbe(url), private=True)).error is not None
            mutual = HttpProbe(url, certificate=made.file.read_text())
            assert (await one.probe(mutual, private=True)).status == 200


async def test_a_port_says_what_it_says_to_what_it_is_told():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        await reader.read()

    async with target(echo) as port, prober() as one:
        seen = await one.probe(TcpProbe("127.0.0.1", port, send=b"PING"), private=True)
        assert (seen.error, seen.body) == (None, b"PING")


async def test_records_are_told_as_text():
    async with name_server() as (names, server), prober() as one:
        names.records["a.test", "MX"] = (60, ["10 mail.a.test.", "5 first.a.test."])
        seen = await one.probe(DnsProbe("a.test", "MX", server), private=True)
        assert seen.answers == ("10 mail.a.test.", "5 first.a.test.")
        assert (await one.probe(DnsProbe("a.test", "TXT", server), private=True)).answers == ()


async def test_no_more_are_under_way_than_allowed():
    busy = Answering()
    async with target(busy) as port, prober(per_target=3) as one:
        probe = HttpProbe(f"http://127.0.0.1:{port}/")
        seen = await asyncio.gather(*(one.probe(probe, private=True) for _ in range(40)))
    assert {each.status for each in seen} == {200}
    assert len(busy.requests) == 40
    assert busy.most <= 3


async def test_our_own_network_works_while_one_canary_answers():
    async with target(silent) as gone:
        pass
    async with name_server() as (names, server):
        names.mute = True
        away = ("a.test:1", "b.test:2")
        async with prober(name_servers=(server,), canaries=away) as one:
            assert not await one.egress()
        async with target(silent) as port, prober(name_servers=(server,), canaries=(*away, f"127.0.0.1:{port}")) as one:
            assert await one.egress()
        async with prober(canaries=(f"127.0.0.1:{gone}",)) as one:
            assert not await one.egress(), "a firewall of our own may refuse"
    async with prober() as one:
        assert await one.egress()


async def test_of_a_clock_that_jumped_nothing_is_concluded():
    clock = ManualClock()
    made = Prober(clock=clock)
    clock.advance(hours=1)
    assert not await made.egress()
    assert not await made.egress()


def test_an_observation_survives_being_stored():
    seen = Observation(status=200, body=b"x", headers={"a": "b"}, total_ms=1.5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen), type=Observation) == seen


def test_all_kinds_work_on_the_event_loop_that_processes_run_on(tmp_path: Path):
    async def kinds() -> list[str | None]:
        made = certificate(tmp_path)
        async with (
            target(Answering(), made.context()) as secure,
            target(Answering()) as plain,
            name_server() as (names, server),
            prober(authority=str(made.file)) as one,
        ):
            names.records["a.test", "A"] = (60, ["127.0.0.1"])
            asked = [
                HttpProbe(f"https://localhost:{secure}/"),
                HttpProbe(f"http://localhost:{plain}/"),
                TlsProbe("localhost", secure),
                TcpProbe("localhost", plain),
                DnsProbe("a.test", server=server),
                TlsProbe("localhost", plain, timeout_s=1),
            ]
            return [(await one.probe(each, private=True)).error for each in asked]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        errors = runner.run(kinds())
    assert errors[:5] == [None] * 5
    assert errors[5] in ("tls-failed", "timed-out")
