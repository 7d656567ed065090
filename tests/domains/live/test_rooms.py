"""People in one room: each sees the response, every change, and the others."""

from datetime import timedelta
from typing import Any

import pytest

from keepwell.kernel import seen
from keepwell.kernel.tally import counts
from tests.domains.live.conftest import Node, People
from tests.support.forms import item
from tests.support.live import following, speaking
from tests.support.problems import assert_problem


async def test_who_comes_in_sees_the_response_as_it_is(node: Node):
    id_ = await node.begin(answers={"a": "one"})
    shown = (await node.http.get(f"/v1/responses/{id_}")).json()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        snapshot = await ann.first("snapshot")
        assert snapshot["data"] == shown
        assert snapshot["id"] == "1"
        assert snapshot["at"].endswith("Z")


async def test_everybody_sees_a_change_and_its_maker_is_told_what_came_of_it(node: Node):
    id_ = await node.begin()
    ann_headers = node.people.acting("ann")
    async with speaking(node.base, id_, ann_headers) as ann, speaking(node.base, id_, node.people.acting("bob")) as bob:
        await ann.at(1)
        await bob.at(1)
        ack = await ann.ask("patch", if_match=1, answers={"a": "one", "b": "two"})
        assert ack["type"] == "ack"
        assert ack["data"]["version"] == 2
        assert ann.versions == [1, 2], "who has the answer has seen what it is about"
        for guest in (ann, bob):
            changed = await guest.first("changed")
            assert changed["id"] == "2"
            assert changed["actor"] == str(node.people.actor("ann").id)
            assert changed["data"]["answers"] == {"a": "one", "b": "two"}
            assert changed["data"]["version"] == 2
        assert bob.copy == ann.copy


async def test_what_happens_through_other_doors_is_seen_too(node: Node):
    id_ = await node.begin(item("a", required=True), item("g", "group", item("in"), repeats=True))
    async with (
        speaking(node.base, id_, node.people.acting("ann")) as ann,
        following(node.base, id_, node.people.acting("eve")) as eve,
    ):
        await ann.at(1)
        assert (await node.patch(id_, 1, {"a": "x"})).status_code == 200
        row = (await node.http.post(f"/v1/responses/{id_}/rows", json={"group": "g", "answers": {"in": "y"}})).json()
        match = {"if-match": '"3"'}
        assert (await node.http.delete(f"/v1/responses/{id_}/rows/{row['id']}", headers=match)).status_code == 200
        assert (await node.http.post(f"/v1/responses/{id_}/submit", headers={"if-match": '"4"'})).status_code == 200
        amendment = {"reason": "a slip", "answers": {"a": "z"}}
        assert (
            await node.http.post(f"/v1/responses/{id_}/amend", json=amendment, headers={"if-match": '"5"'})
        ).status_code == 200
        void = {"reason": "the wrong person"}
        assert (await node.http.post(f"/v1/responses/{id_}/void", json=void, headers={"if-match": '"6"'})).status_code == 200
        shown = (await node.http.get(f"/v1/responses/{id_}")).json()
        for guest in (ann, eve):
            await guest.at(7)
            types = [each["type"] for each in guest.of("snapshot", "changed", "submitted", "amended", "voided")]
            assert types == ["snapshot", "changed", "changed", "changed", "submitted", "amended", "voided"]
            assert guest.copy == {name: shown[name] for name in ("version", "status", "answers", "rows")}


async def test_everything_a_client_can_do_over_http_it_can_do_in_the_room(node: Node):
    id_ = await node.begin(item("a", required=True), item("g", "group", item("in"), repeats=True))
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        added = await ann.ask("add-row", group="g", answers={"in": "y"})
        assert added["data"]["version"] == 2
        row = added["data"]["row"]
        assert (await ann.ask("remove-row", row=row, if_match=2))["data"]["version"] == 3
        missing = await ann.ask("submit", if_match=3)
        assert missing["type"] == "problem"
        assert missing["data"]["code"] == "response-invalid"
        assert missing["data"]["errors"][0]["linkId"] == "a"
        assert (await ann.ask("patch", if_match=3, answers={"a": "x"}))["data"]["version"] == 4
        assert (await ann.ask("submit", if_match='W/"4"'))["data"]["version"] == 5
        assert (await ann.ask("amend", if_match=5, reason="a slip", answers={"a": "z"}))["data"]["version"] == 6
        assert (await ann.ask("void", if_match=6, reason="wrong person"))["data"]["version"] == 7
    history = (await node.http.get(f"/v1/responses/{id_}/history")).json()["items"]
    assert [each["door"] for each in history] == ["http", *["websocket"] * 6]


async def test_a_stale_change_is_refused_or_merged_as_asked(node: Node):
    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        assert (await node.patch(id_, 1, {"a": "theirs"})).status_code == 200
        stale = await ann.ask("patch", if_match=1, answers={"b": "mine"})
        assert (stale["type"], stale["data"]["code"], stale["data"]["current_version"]) == ("problem", "version-conflict", 2)
        merged = await ann.ask("patch", if_match=1, answers={"b": "mine"}, on_conflict="merge")
        assert merged["data"]["version"] == 3
        assert merged["data"]["merged"] is True
        conflict = await ann.ask("patch", if_match=1, answers={"a": "mine"}, on_conflict="merge")
        assert conflict["data"]["code"] == "merge-conflict"
        assert conflict["data"]["conflicts"] == [{"linkId": "a", "base": None, "theirs": "theirs", "yours": "mine"}]


async def test_what_becomes_of_a_stale_change_is_decided_for_all_doors_where_its_maker_does_not(node: Node):
    id_ = await node.begin()
    node.people.merging = True
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        assert (await node.patch(id_, 1, {"a": "theirs"})).status_code == 200
        refused = await ann.ask("patch", if_match=1, answers={"b": "mine"}, on_conflict="refuse")
        assert refused["data"]["code"] == "version-conflict"
        merged = await ann.ask("patch", if_match=1, answers={"b": "mine"})
        assert (merged["data"]["version"], merged["data"]["merged"]) == (3, True)
        assert (await ann.ask("submit", if_match=1))["data"]["code"] == "version-conflict"
    assert await node.kernel.tally.flush()
    async with node.kernel.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(node.people.tenant))
        found = await counts(connection, seen.OUTCOMES, node.people.clock.now() - timedelta(hours=1))
    # Both who did not say, over REST and here, saw the flag; who said did not need it.
    assert [(each.labels, each.amount) for each in found] == [(("merging", seen.ON, seen.OK), 2)]


async def test_a_change_sent_twice_under_one_key_is_made_once(node: Node):
    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("ann")) as ann:
        first = await ann.ask("patch", if_match=1, answers={"a": "x"}, idempotency_key="k")
        again = await ann.ask("patch", if_match=1, answers={"a": "x"}, idempotency_key="k")
        assert first["data"]["version"] == again["data"]["version"] == 2
        assert again["data"]["replayed"] is True
        other = await ann.ask("patch", if_match=2, answers={"a": "y"}, idempotency_key="k")
        assert other["data"]["code"] == "idempotency-key-reused"
    assert await node.version(id_) == 2


async def test_each_that_is_told_of_a_change_is_recorded_as_a_reader(node: Node, people: People):
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, people.acting("ann")) as ann,
        speaking(node.base, id_, people.acting("bob")) as bob,
        following(node.base, id_, people.acting("eve")) as eve,
    ):
        for guest in (ann, bob, eve):
            await guest.at(1)
        await node.patch(id_, 1, {"a": "x"})
        for guest in (ann, bob, eve):
            await guest.at(2)
    async with node.kernel.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(people.tenant))
        sql = "SELECT actor, door, version FROM access_record WHERE entity = $1 AND action = 'read' AND outcome = 'ok'"
        found = {tuple(row) for row in await connection.fetch(sql, id_)}
    for name, door in (("ann", "websocket"), ("bob", "websocket"), ("eve", "sse")):
        actor = people.actor(name).id
        assert {(actor, door, 1), (actor, door, 2)} <= found


async def test_who_may_write_but_not_read_is_told_of_versions_and_of_no_answers(node: Node, people: People):
    id_ = await node.begin(answers={"a": "secret"})
    async with (
        speaking(node.base, id_, people.acting("blind", ("user/QuestionnaireResponse.u",))) as blind,
        speaking(node.base, id_, people.acting("ann")) as ann,
    ):
        await blind.first("snapshot")
        await ann.at(1)
        assert (await ann.ask("focus", linkId="a"))["type"] == "ack"
        assert (await ann.ask("typing", linkId="a"))["type"] == "ack"
        assert (await blind.ask("patch", if_match=1, answers={"b": "written blindly"}))["data"] == {"id": "m1", "version": 2}
        changed = await blind.first("changed", version=2)
        assert changed["data"] == {"version": 2}
        assert "actor" not in changed
        await blind.until(lambda guest: any(len(each["data"]["members"]) == 2 for each in guest.of("presence")))
        assert not blind.of("focus", "typing")
        assert "secret" not in str(blind.received)
        assert all(seat["focus"] is None for each in blind.of("presence") for seat in each["data"]["members"])


@pytest.mark.parametrize(
    ("scopes", "subject", "code", "problem"),
    [
        (("user/Questionnaire.r",), None, 4403, "forbidden"),
        (("patient/QuestionnaireResponse.cru",), "Patient/2", 4403, "forbidden"),
        (("patient/QuestionnaireResponse.cru",), "Patient/1", None, None),
    ],
)
async def test_only_who_may_see_the_response_comes_in(
    node: Node, scopes: tuple[str, ...], subject: str | None, code: int | None, problem: str | None
):
    id_ = await node.begin(subject="Patient/1")
    headers = node.people.acting("patient", scopes, subject=subject)
    async with speaking(node.base, id_, headers) as patient:
        if code is None:
            await patient.at(1)
        else:
            assert await patient.closed() == code
            assert [each["data"]["code"] for each in patient.received] == [problem]
    async with following(node.base, id_, headers) as follower:
        if code is None:
            await follower.at(1)
        else:
            assert_problem(follower.answer, 403, "forbidden")


async def test_another_clinics_response_is_not_there(node: Node, people: People):
    id_ = await node.begin()
    headers: dict[str, Any] = people.acting("stranger", tenant=people.actor("clinician").id)
    async with speaking(node.base, id_, headers) as stranger:
        assert await stranger.closed() == 4404
    async with following(node.base, id_, headers) as follower:
        assert_problem(follower.answer, 404, "not-found")
