"""People are told what happens to incidents: at least once, under one id, recorded once, however badly the channel behaves."""

import base64
import hashlib
import hmac

import pytest

from tests.support.receiver import Manner, Receiver, receiver
from tests.support.telling import Clinic
from tests.support.waiting import eventually_async


def happened(hook: Receiver) -> list[tuple[str, str]]:
    """What was told of which incident, in the order in which it was taken."""
    return [(line["happened"], line["title"]) for told in hook.told for line in told.json["data"]["incidents"]]


async def test_a_webhook_is_told_from_the_opening_to_the_end_signed_and_without_more_than_title_and_severity(
    desk: Clinic, hook: Receiver
):
    made = await desk.channel(hook.url)
    incident = await desk.open("monitor/1")
    async with desk.notifying():
        await desk.settled(1)
        await desk.acknowledge(incident)
        await desk.settled(2)
        await desk.resolve(incident)
        await desk.settled(3)
    title = "Trouble with monitor/1"
    assert happened(hook) == [("opened", title), ("acknowledged", title), ("resolved", title)]
    opened = hook.told[0]
    assert opened.json == {
        "type": "incident.opened",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {
            "notification": opened.headers["webhook-id"],
            "incidents": [
                {
                    "id": str(incident),
                    "title": title,
                    "severity": "critical",
                    "happened": "opened",
                    "at": "2026-03-01T12:00:00Z",
                    "link": f"https://keepwell.test/v1/incidents/{incident}",
                }
            ],
        },
    }
    signed = ".".join((opened.headers["webhook-id"], opened.headers["webhook-timestamp"])).encode() + b"." + opened.body
    secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert opened.headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize("manner", ["fails", "limits", "hangs", "cuts", "moves"])
async def test_what_a_channel_does_not_take_is_told_again_under_the_same_id_and_recorded_once(
    hasty: Clinic, hook: Receiver, manner: Manner
):
    hook.manner = manner
    await hasty.channel(hook.url)
    await hasty.open("monitor/1")

    async def tried_twice() -> bool:
        return len(hook.requests) >= 2

    async with hasty.notifying():
        await eventually_async(tried_twice, 60)
        hook.manner = "good"
        [sent] = await hasty.settled(1)
    assert {each.headers["webhook-id"] for each in hook.requests} == {sent["id"]}
    assert len({each.body for each in hook.requests}) == 1
    assert sent["attempts"] >= 3
    assert sent["error"] is None
    entries = await hasty.database_events(sent["id"])
    assert entries.count("notification-sent") == 1


async def test_a_channel_that_refuses_for_the_whole_outage_is_told_everything_when_it_is_back(desk: Clinic, hook: Receiver):
    await hook.refuse()
    await desk.channel(hook.url, group_after=1000)
    ids = [await desk.open(f"monitor/{number}") for number in range(12)]

    async def failing() -> bool:
        return any(each["error"] == "refused" for each in await desk.notifications())

    async def all_planned() -> bool:
        return len(await desk.notifications()) == 24

    async with desk.notifying():
        await eventually_async(failing, 60)
        for id_ in ids:
            await desk.resolve(id_)
        await eventually_async(all_planned, 60)
        await hook.listen()
        await desk.settled(24)
    told = happened(hook)
    assert len(told) == 24
    for number in range(12):
        mine = [word for word, title in told if title == f"Trouble with monitor/{number}"]
        assert mine == ["opened", "resolved"]


async def test_what_will_never_be_taken_is_given_up_at_once_and_told_when_somebody_mended_it(desk: Clinic, hook: Receiver):
    hook.manner = "gone"
    await desk.channel(hook.url)
    await desk.open("monitor/1")
    async with desk.notifying():
        [dead] = await desk.settled(1, "dead")
        assert (dead["attempts"], dead["error"]) == (1, "status-410")
        hook.manner = "good"
        again = await desk.http.post(f"/v1/notifications/{dead['id']}/redrive")
        assert (again.status_code, again.json()["status"]) == (200, "waiting")
        [sent] = await desk.settled(1)
    assert sent["id"] == dead["id"]
    refused = await desk.http.post(f"/v1/notifications/{dead['id']}/redrive")
    assert (refused.status_code, refused.json()["code"]) == (409, "notification-not-dead")


async def test_one_channel_that_hangs_keeps_nothing_from_another(hasty: Clinic, hook: Receiver):
    async with receiver() as other:
        hook.manner = "hangs"
        await hasty.channel(hook.url)
        good = await hasty.channel(other.url)
        for number in range(3):
            await hasty.open(f"monitor/{number}")
        async with hasty.notifying():

            async def all_told() -> bool:
                return len(await hasty.notifications(channel=good["id"], status="sent")) == 3

            await eventually_async(all_told, 60)
    assert not hook.taken
