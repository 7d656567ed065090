"""Who is in a room and at which item: known to everybody, over processes, and gone with its holder."""

import asyncio
from typing import Any

import pytest

from keepwell.domains.live import LiveSettings
from tests.domains.live.conftest import QUICK, MakeNode, Node
from tests.support.cluster import Cluster
from tests.support.live import Guest, following, speaking
from tests.support.problems import assert_problem
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async


def present(guest: Guest) -> list[str]:
    """The people in the room, as a guest was told last."""
    told = guest.of("presence")
    return [seat["actor"] for seat in told[-1]["data"]["members"]] if told else []


def focus(guest: Guest) -> dict[str, Any]:
    """Where everybody is, as a guest was told: by presence, and by what came after it."""
    found: dict[str, Any] = {}
    for each in guest.of("presence", "focus"):
        if each["type"] == "presence":
            found = {seat["connection"]: seat["focus"] for seat in each["data"]["members"]}
        else:
            found[each["data"]["connection"]] = each["data"]["linkId"]
    return {connection: item for connection, item in found.items() if item is not None}


def name(node: Node, *people: str) -> list[str]:
    return [str(node.people.actor(one).id) for one in people]


async def test_everybody_sees_who_comes_and_who_leaves(node: Node):
    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        await ann.until(lambda guest: present(guest) == name(node, "ann"))
        async with following(node.base, id_, node.people.acting("eve")) as eve:
            for guest in (ann, eve):
                await guest.until(lambda one: present(one) == name(node, "ann", "eve"))
            seats = ann.of("presence")[-1]["data"]["members"]
            assert [seat["role"] for seat in seats] == ["clinician"] * 2
        await ann.until(lambda guest: present(guest) == name(node, "ann"))


async def test_people_on_two_processes_see_each_other_their_changes_typing_and_focus(make_node: MakeNode):
    here, there = await make_node(), await make_node()
    id_ = await here.begin()
    async with (
        speaking(here.base, id_, here.people.acting("ann")) as ann,
        speaking(there.base, id_, here.people.acting("bob")) as bob,
    ):
        for guest in (ann, bob):
            await guest.until(lambda one: present(one) == name(here, "ann", "bob"))
        assert (await ann.ask("patch", if_match=1, answers={"a": "x"}))["type"] == "ack"
        assert (await bob.ask("patch", if_match=2, answers={"b": "y"}))["type"] == "ack"
        for guest in (ann, bob):
            await guest.at(3)
            assert guest.copy is not None
            assert guest.copy["answers"] == {"a": "x", "b": "y"}
        await ann.ask("typing", linkId="c")
        typing = await bob.first("typing")
        assert typing["actor"] == name(here, "ann")[0]
        assert typing["data"]["linkId"] == "c"
        assert not ann.of("typing"), "nobody is told what they do themselves"
        await bob.ask("focus", linkId="b")
        moved = await ann.first("focus", linkId="b")
        assert moved["actor"] == name(here, "bob")[0]

    async def both_empty() -> bool:
        return not here.live._rooms and not there.live._rooms

    await eventually_async(both_empty)


async def test_an_item_is_held_by_one_and_free_when_they_move_on_or_leave(make_node: MakeNode):
    here, there = await make_node(), await make_node()
    id_ = await here.begin()
    async with speaking(here.base, id_, here.people.acting("ann")) as ann:
        await ann.at(1)
        async with speaking(there.base, id_, here.people.acting("bob")) as bob:
            await ann.until(lambda guest: len(present(guest)) == 2)
            assert (await bob.ask("focus", linkId="a"))["type"] == "ack"
            held = await ann.ask("focus", linkId="a")
            assert held["data"]["code"] == "focus-held"
            assert held["data"]["holder"]["actor"] == name(here, "bob")[0]
            assert (await ann.ask("focus", linkId="b"))["type"] == "ack"
            assert (await bob.ask("focus", linkId="c"))["type"] == "ack"
            assert (await ann.ask("focus", linkId="a"))["type"] == "ack"
            assert (await bob.ask("focus", linkId=None))["type"] == "ack"
            await ann.until(lambda guest: list(focus(guest).values()) == ["a"])
            assert (await bob.ask("focus", linkId="b"))["type"] == "ack"
        await ann.until(lambda guest: list(focus(guest).values()) == ["a"])
        assert (await ann.ask("focus", linkId="b"))["type"] == "ack"


async def test_of_many_who_go_to_one_item_at_once_one_arrives(make_node: MakeNode):
    nodes = [await make_node(), await make_node()]
    id_ = await nodes[0].begin()
    arrived: list[str] = []
    ready = asyncio.Barrier(8)

    async def one(number: int) -> None:
        node = nodes[number % 2]
        async with speaking(node.base, id_, node.people.acting(f"p{number}")) as guest:
            await guest.at(1)
            await ready.wait()
            answer = await guest.ask("focus", linkId="a")
            arrived.append(answer["data"].get("code", "ack"))
            await ready.wait()

    await asyncio.gather(*map(one, range(8)))
    assert sorted(arrived) == ["ack", *["focus-held"] * 7]


async def test_a_room_takes_as_many_as_fit_over_all_processes(make_node: MakeNode):
    settings = LiveSettings(capacity=2, beat=0.2, seat=2)
    here, there = await make_node(settings), await make_node(settings)
    id_ = await here.begin()
    headers = here.people.acting("ann")
    async with speaking(here.base, id_, headers) as first, following(there.base, id_, headers) as second:
        await first.at(1)
        await second.at(1)
        async with speaking(there.base, id_, headers) as third:
            assert await third.closed() == 4409
            assert third.received[-1]["data"]["code"] == "room-full"
        async with following(here.base, id_, headers) as fourth:
            assert_problem(fourth.answer, 409, "room-full")
    async with speaking(there.base, id_, headers) as fifth:
        await fifth.at(1)


async def test_the_seats_of_a_process_that_died_lapse_and_with_them_what_it_held(make_node: MakeNode, cluster: Cluster):
    here, there = await make_node(), await make_node()
    id_ = await here.begin()
    async with (
        speaking(here.base, id_, here.people.acting("ann")) as ann,
        speaking(there.base, id_, here.people.acting("bob")) as bob,
    ):
        await ann.until(lambda guest: len(present(guest)) == 2)
        await bob.ask("focus", linkId="a")
        await ann.first("focus", linkId="a")
        # As after kill -9: nobody says that the other process has gone, it only is not heard of any more.
        await there.live.close()
        await ann.until(lambda guest: present(guest) == name(here, "ann"))
        assert (await ann.ask("focus", linkId="a"))["type"] == "ack"


async def test_without_valkey_each_process_goes_on_alone_and_they_find_each_other_again(
    make_node: MakeNode, cluster: Cluster, valkey_url: str
):
    with Proxy.to_valkey(valkey_url) as proxy:
        url = proxy.valkey_url(valkey_url)
        here, there = await make_node(QUICK, url), await make_node(QUICK, url)
        await eventually_async(here.hears)
        await eventually_async(there.hears)
        id_ = await here.begin()
        async with (
            speaking(here.base, id_, here.people.acting("ann")) as ann,
            speaking(here.base, id_, here.people.acting("amy")) as amy,
            speaking(there.base, id_, here.people.acting("bob")) as bob,
        ):
            for guest in (ann, amy, bob):
                await guest.until(lambda one: len(present(one)) == 3)
            proxy.cut()
            assert (await ann.ask("patch", if_match=1, answers={"a": "x"}))["type"] == "ack"
            await amy.at(2)
            assert (await ann.ask("focus", linkId="a"))["type"] == "ack"
            assert (await amy.ask("focus", linkId="a"))["data"]["code"] == "focus-held"
            assert (await bob.ask("focus", linkId="a"))["type"] == "ack"
            await bob.at(2)  # told by the database
            assert (await bob.ask("patch", if_match=2, answers={"b": "y"}))["type"] == "ack"
            await ann.at(3)
            proxy.resume()

            async def agree() -> bool:
                return (
                    all(len(present(guest)) == 3 for guest in (ann, amy, bob))
                    and len(focus(ann)) == 1
                    and (focus(ann) == focus(bob) == focus(amy))
                )

            await eventually_async(agree)
            assert (await bob.ask("patch", if_match=3, answers={"c": "z"}))["type"] == "ack"
            for guest in (ann, amy, bob):
                await guest.at(4)
                assert guest.copy == ann.copy


async def test_where_somebody_is_stands_nowhere_in_clear(node: Node, valkey_url: str):
    import valkey.asyncio  # noqa: PLC0415 - for this look alone

    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        await ann.ask("focus", linkId="Kwunmistakable")
        client: Any = valkey.asyncio.Valkey.from_url(valkey_url)
        try:
            stored = {key: await client.hgetall(key) for key in await client.keys("keepwell:room:*")}
        finally:
            await client.aclose()
        assert any(id_.encode() in key for key in stored)
        assert b"unmistakable" not in repr(stored).encode()


@pytest.mark.parametrize("type_", ["focus", "typing"])
async def test_who_may_only_read_is_at_no_item(node: Node, type_: str):
    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("reader", ("user/QuestionnaireResponse.r",))) as reader:
        await reader.at(1)
        assert (await reader.ask(type_, linkId="a"))["data"]["code"] == "forbidden"
