"""How connections end, and what a part that fails means to those that do not: they wait, and miss nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from keepwell.domains.live import LiveSettings
from tests.domains.live.conftest import MakeNode, Node, People, running
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.live import following, speaking
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

LAZY = LiveSettings(beat=3600)
"""Nothing is noticed but what is announced."""


async def test_who_brings_no_credentials_in_the_header_brings_them_in_the_first_message(node: Node):
    id_ = await node.begin()
    node.people.acting("ann")
    async with speaking(node.base, id_) as ann:
        await ann.say("auth", token="ann")
        await ann.at(1)
        assert (await ann.ask("patch", if_match=1, answers={"a": "x"}))["type"] == "ack"


@pytest.mark.parametrize(
    "first", ['{"type":"auth","token":"of nobody"}', '{"type":"ping"}', '{"type":"patch","if_match":1,"answers":{}}']
)
async def test_who_brings_none_or_wrong_ones_is_sent_away(node: Node, first: str):
    id_ = await node.begin()
    async with speaking(node.base, id_) as nobody:
        await nobody.connection.send(first)
        assert await nobody.closed() == 4401
        assert [each["data"]["code"] for each in nobody.received] == ["unauthenticated"]
    async with speaking(node.base, id_, {"authorization": "Bearer of nobody"}) as nobody:
        assert await nobody.closed() == 4401
    assert await node.version(id_) == 1


@pytest.mark.parametrize("first", ["", "[", '{"type":"auth"}'])
async def test_a_first_message_without_sense_is_answered_with_what_is_wrong(node: Node, first: str):
    id_ = await node.begin()
    async with speaking(node.base, id_) as nobody:
        await nobody.connection.send(first)
        assert await nobody.closed() == 1008


async def test_credentials_that_run_out_end_the_connection_unless_fresh_ones_come_in_time(
    node: Node, manual_clock: ManualClock, people: People
):
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, people.acting("ann", minutes=10)) as ann,
        speaking(node.base, id_, people.acting("bob", minutes=10)) as bob,
        following(node.base, id_, people.acting("eve", minutes=10)) as eve,
    ):
        for guest in (ann, bob, eve):
            await guest.at(1)
        people.renew("bob", "bob again", minutes=30)
        assert (await bob.ask("auth", token="bob again"))["type"] == "ack"
        manual_clock.advance(minutes=11)
        assert await ann.closed() == 4401
        assert await eve.closed() == 0
        assert eve.received[-1]["data"]["code"] == ann.received[-1]["data"]["code"] == "unauthenticated"
        assert (await bob.ask("patch", if_match=1, answers={"a": "x"}))["type"] == "ack"
        manual_clock.advance(minutes=20)
        assert await bob.closed() == 4401


async def test_a_connection_cannot_become_somebody_elses(node: Node, people: People):
    id_ = await node.begin()
    people.acting("bob")
    async with speaking(node.base, id_, people.acting("ann")) as ann:
        await ann.at(1)
        assert (await ann.ask("auth", token="bob"))["data"]["code"] == "forbidden"
        people.renew("ann", "ann with more", 60, scopes=("user/*.cruds",))
        assert (await ann.ask("auth", token="ann with more"))["data"]["code"] == "forbidden"
        assert (await ann.ask("ping"))["type"] == "ack"


async def test_a_process_that_stops_sends_everybody_to_come_back_and_takes_nobody_in(node: Node):
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, node.people.acting("ann")) as ann,
        following(node.base, id_, node.people.acting("eve")) as eve,
    ):
        await ann.at(1)
        await eve.at(1)
        node.live.drain()
        assert await ann.closed() == 1012
        assert "reconnect after" in ann.reason
        assert 200 <= ann.received[-1]["data"]["reconnect_after_ms"] <= 3000
        assert await eve.closed() == 0
        assert eve.received[-1]["data"]["code"] == "restarting"
        assert eve.retry == eve.received[-1]["data"]["reconnect_after_ms"]
        assert eve.last_event_id == eve.received[-2]["id"], "what is said at the end moves nobody on"
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        assert await ann.closed() == 1012
    async with following(node.base, id_, node.people.acting("eve")) as eve:
        assert eve.answer.status_code == 503


@pytest.fixture
async def shaky(database_urls: DatabaseUrls, valkey_url: str, people: People) -> AsyncIterator[tuple[Node, Proxy]]:
    """A process whose database can be away."""
    with Proxy.to_postgres(database_urls.app) as proxy:
        urls: Any = type("Urls", (), {"app": proxy.postgres_url(database_urls.app)})
        async with running(urls, valkey_url, people, LAZY, watched=True) as node:
            await eventually_async(node.hears)
            yield node, proxy


async def test_a_change_told_while_the_database_is_away_is_sent_when_it_is_back(make_node: MakeNode, shaky: tuple[Node, Proxy]):
    there = await make_node()
    node, proxy = shaky
    id_ = await there.begin()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        await ann.at(1)
        proxy.cut()
        for version in (1, 2, 3):
            assert (await there.patch(id_, version, {"a": str(version)})).status_code == 200
        refused = await ann.ask("patch", if_match=4, answers={"b": "x"})
        assert refused["data"]["code"] in ("temporarily-unavailable", "outcome-unknown")
        proxy.resume()
        await ann.at(4)
        assert ann.versions == [1, 2, 3, 4]
        assert (await ann.ask("patch", if_match=4, answers={"b": "x"}))["data"]["version"] == 5


async def test_a_lost_announcement_only_delays(make_node: MakeNode, valkey_url: str):
    """The other process's words get lost: what it did is noticed all the same."""
    with Proxy.to_valkey(valkey_url) as proxy:
        here = await make_node()
        mute = await make_node(LAZY, proxy.valkey_url(valkey_url))
        proxy.cut()
        id_ = await here.begin()
        async with speaking(here.base, id_, here.people.acting("ann")) as ann:
            await ann.at(1)
            assert (await mute.patch(id_, 1, {"a": "x"})).status_code == 200
            await ann.at(2)


async def test_a_response_set_back_to_an_older_version_is_shown_as_it_is(make_node: MakeNode, database_urls: DatabaseUrls):
    """As after a restore: nobody is left with versions that are not there any more."""
    import psycopg  # noqa: PLC0415 - for this damage alone

    node = await make_node()
    id_ = await node.begin()
    with psycopg.connect(database_urls.superuser, autocommit=True) as admin:
        columns = "version, head, state, updated_at"
        before = admin.execute(f"SELECT {columns} FROM aggregate WHERE id = %s".encode(), (id_,)).fetchone()
        async with speaking(node.base, id_, node.people.acting("ann")) as ann:
            await node.patch(id_, 1, {"a": "x"})
            await node.patch(id_, 2, {"a": "y"})
            await ann.at(3)
            admin.execute("DELETE FROM journal_entry WHERE id = %s AND version > 1", (id_,))
            admin.execute(f"UPDATE aggregate SET ({columns}) = (%s, %s, %s, %s) WHERE id = %s".encode(), (*(before or ()), id_))
            await ann.until(lambda guest: guest.versions[-1] == 1)
            assert ann.copy is not None
            assert ann.copy["answers"] == {}
            await node.patch(id_, 1, {"a": "z"})
            await ann.until(lambda guest: guest.versions[-1] == 2)


async def test_a_connection_that_just_vanishes_leaves_nothing_behind(node: Node):
    id_ = await node.begin()
    for _ in range(5):
        async with speaking(node.base, id_, node.people.acting("ann")) as ann:
            await ann.at(1)
            ann.connection.transport.abort()
            await ann.closed()

    async def empty() -> bool:
        return not node.live._rooms and not node.live._holders and node.live._count == 0

    await eventually_async(empty)
