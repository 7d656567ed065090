"""A stream that is cut off goes on where it was: nothing is missing, and nothing comes twice."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from keepwell.domains.live.rules import Cursor, read_cursor
from keepwell.kernel.follow import MOST_ENTRIES
from tests.domains.live.conftest import MakeNode, Node
from tests.support.forms import item
from tests.support.live import Guest, following, speaking

Json = dict[str, Any]
Connecting = Callable[[str, str, Any, str | None], AbstractAsyncContextManager[Guest]]
BRINGING = ("snapshot", "changed", "submitted", "amended", "voided")


@asynccontextmanager
async def by_socket(base: str, response: str, headers: Any, after: str | None) -> AsyncGenerator[Guest]:
    async with speaking(base, response, headers, after) as guest:
        yield guest


@asynccontextmanager
async def by_stream(base: str, response: str, headers: Any, after: str | None) -> AsyncGenerator[Guest]:
    async with following(base, response, headers, after) as guest:
        yield guest


DOORS = pytest.mark.parametrize("connecting", [by_socket, by_stream], ids=["socket", "stream"])


async def told_story(node: Node) -> str:
    """A response to which everything happened that can, while others came, typed and left."""
    id_ = await node.begin(item("a", required=True), item("b"), item("g", "group", item("in"), repeats=True), answers={"a": "0"})
    async with speaking(node.base, id_, node.people.acting("teller")) as teller:
        await teller.ask("patch", if_match=1, answers={"a": "1"})
        await teller.ask("focus", linkId="b")
        await teller.ask("patch", if_match=2, answers={"b": "2"})
        await teller.ask("typing", linkId="b")
        row = await teller.ask("add-row", group="g", answers={"in": "3"})
        await teller.ask("patch", if_match=4, answers={"b": None})
        await teller.ask("remove-row", row=row["data"]["row"], if_match=5)
        await teller.ask("submit", if_match=6)
        await teller.ask("amend", if_match=7, reason="a slip", answers={"a": "8"})
        await teller.ask("void", if_match=8, reason="over")
    return id_


def brought(messages: list[Json]) -> list[Json]:
    """What a stream says of versions, without what only this stream says."""
    return [
        {name: each[name] for name in ("id", "type", "actor", "data", "at")} for each in messages if each["type"] in BRINGING[1:]
    ]


@DOORS
async def test_a_stream_cut_at_any_message_goes_on_exactly_there(node: Node, connecting: Connecting):
    id_ = await told_story(node)
    headers = node.people.acting("reader")
    async with connecting(node.base, id_, headers, "1") as whole:
        await whole.until(lambda guest: guest.versions[-1:] == [9] and guest.of("presence"))
        recorded = list(whole.received)
    assert [each["data"]["version"] for each in brought(recorded)] == list(range(2, 10))
    for cut, last in enumerate(recorded):
        async with connecting(node.base, id_, headers, last["id"]) as rest:
            await rest.until(lambda guest: guest.of("presence") and (guest.versions[-1:] or [9]) == [9])
            assert brought(recorded[: cut + 1]) + brought(rest.received) == brought(recorded), f"cut after {last['id']}"
            ids = [each["id"] for each in recorded[: cut + 1]] + [each["id"] for each in rest.received]
            assert len(ids) == len(set(ids)), "an id never comes twice in one stream"


@DOORS
async def test_while_changes_go_on_a_reader_who_keeps_losing_the_connection_misses_none(node: Node, connecting: Connecting):
    id_ = await node.begin()
    headers = node.people.acting("reader")
    seen: list[Json] = []
    last: str | None = "1"
    version = 1
    for round_ in range(12):
        changes, enough = round_ % 4, min(round_ % 3, round_ % 4)
        async with connecting(node.base, id_, headers, last) as guest:
            for _ in range(changes):
                assert (await node.patch(id_, version, {"a": str(version)})).status_code == 200
                version += 1
            await guest.until(lambda one, enough=enough: len(one.received) > enough)
            seen += guest.received
            last = seen[-1]["id"]
    async with connecting(node.base, id_, headers, last) as guest:
        await guest.until(lambda one: one.of("presence") and (one.versions or [version])[-1] == version)
        seen += guest.received
    told = [each for each in seen if each["type"] == "changed"]
    assert [each["data"]["version"] for each in told] == list(range(2, version + 1))
    assert [each["data"]["answers"]["a"] for each in told] == [str(number) for number in range(1, version)]


@DOORS
@pytest.mark.parametrize("after", ["0", "99", "99-3", "what", "-1", "1-", "01", "1-0"])
async def test_who_comes_from_nowhere_begins_with_a_snapshot(node: Node, connecting: Connecting, after: str):
    id_ = await node.begin(answers={"a": "one"})
    async with connecting(node.base, id_, node.people.acting("reader"), after) as guest:
        await guest.at(1)
        assert guest.received[0]["type"] == "snapshot"


async def test_who_was_away_for_too_long_begins_with_a_snapshot(node: Node):
    id_ = await node.begin()
    async with node.kernel.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(node.people.tenant))
    for start in range(1, MOST_ENTRIES + 2, 250):
        operations = [
            {"op": "patch", "id": id_, "if_match": version, "answers": {"a": str(version)}}
            for version in range(start, start + 251)
        ]
        await node.http.post("/v1/responses/bulk", json={"operations": operations})
    newest = await node.version(id_)
    assert newest > MOST_ENTRIES + 1
    async with by_socket(node.base, id_, node.people.acting("reader"), "1") as guest:
        await guest.at(newest)
        assert guest.received[0]["type"] == "snapshot"
    async with by_socket(node.base, id_, node.people.acting("reader"), str(newest - 3)) as guest:
        await guest.until(lambda one: one.versions[-1:] == [newest])
        assert [each["type"] for each in guest.received[:3]] == ["changed"] * 3


async def test_the_address_can_say_where_to_go_on_too(node: Node):
    id_ = await node.begin()
    await node.patch(id_, 1, {"a": "x"})
    path = f"/v1/responses/{id_}/events?after=1"
    async with node.http.stream("GET", path) as answer:
        lines = answer.aiter_lines()
        head = [await anext(lines) for _ in range(5)]
    assert head[0].startswith("retry: ")
    assert head[2:4] == ["id: 2", "event: changed"]


async def test_another_process_goes_on_where_the_first_stopped(make_node: MakeNode):
    first, second = await make_node(), await make_node()
    id_ = await first.begin()
    headers = first.people.acting("reader")
    async with by_socket(first.base, id_, headers, None) as guest:
        await first.patch(id_, 1, {"a": "x"})
        await guest.at(2)
        last = guest.last_id
    await second.patch(id_, 2, {"a": "y"})
    async with by_socket(second.base, id_, headers, last) as guest:
        await guest.until(lambda one: one.versions == [3])


@pytest.mark.parametrize("cursor", [Cursor(0), Cursor(7), Cursor(7, 3), Cursor(2**29, 2**29)])
def test_an_id_says_where_it_stands(cursor: Cursor):
    assert read_cursor(str(cursor)) == cursor
    assert read_cursor(str(cursor.following)) == cursor.following
    assert cursor.following > cursor
