"""What happens to incidents becomes notifications once, however many follow them; when they are due is the channel's to say."""

import asyncio
from datetime import UTC, datetime

from tests.support.receiver import Receiver
from tests.support.telling import ORIGIN, Clinic


async def test_many_that_follow_at_once_plan_everything_once(desk: Clinic, hook: Receiver):
    await desk.channel(hook.url, group_after=1000)
    ids = [await desk.open(f"monitor/{number}") for number in range(6)]
    await asyncio.gather(*(desk.follow() for _ in range(6)))
    await desk.resolve(ids[0])
    await asyncio.gather(*(desk.follow() for _ in range(6)))
    told = [(each["incidents"][0]["incident"], each["incidents"][0]["happened"]) for each in await desk.notifications()]
    assert sorted(told) == sorted([(str(id_), "opened") for id_ in ids] + [(str(ids[0]), "resolved")])


async def test_who_has_no_channel_is_followed_all_the_same_and_told_of_what_happens_later_only(desk: Clinic, hook: Receiver):
    incident = await desk.open("monitor/1")
    await desk.follow()
    await desk.channel(hook.url)
    await desk.follow()
    assert await desk.notifications() == []
    assert await desk.service.follower.ahead(datetime(1970, 1, 1, tzinfo=UTC), ORIGIN) == (set(), [])
    await desk.judge(incident, "warning")
    await desk.follow()
    assert [each["incidents"][0]["happened"] for each in await desk.notifications()] == ["opened"]


async def test_any_number_of_notifiers_tell_everything_and_record_each_once(desk: Clinic, hook: Receiver):
    await desk.channel(f"{hook.url}/a", group_after=1000)
    await desk.channel(f"{hook.url}/b", group_after=1000)
    async with desk.notifying(), desk.notifying(), desk.notifying():
        for number in range(10):
            await desk.open(f"monitor/{number}")
        sent = await desk.settled(20)
    assert {each.headers["webhook-id"] for each in hook.told} == {each["id"] for each in sent}
    for each in sent:
        assert (await desk.database_events(each["id"])).count("notification-sent") == 1


async def test_a_storm_is_told_in_one_message_that_lists_all_of_it(desk: Clinic, hook: Receiver):
    await desk.channel(hook.url, group_after=3, group_window_s=60)
    ids = [await desk.open(f"monitor/{number}") for number in range(20)]
    async with desk.notifying():
        await desk.settled(3)
        await desk.gathered(17)
        desk.clock.advance(seconds=60)
        sent = await desk.settled(4)
    assert [len(each["incidents"]) for each in sent] == [1, 1, 1, 17]
    lines = [line["id"] for each in hook.told for line in each.json["data"]["incidents"]]
    assert sorted(lines) == sorted(map(str, ids))
    assert hook.told[-1].json["type"] == "incidents"


async def test_what_follows_an_opening_that_is_gathered_is_not_told_before_it(desk: Clinic, hook: Receiver):
    await desk.channel(hook.url, group_after=1, group_window_s=60)
    async with desk.notifying():
        await desk.open("monitor/1")
        await desk.settled(1)
        desk.clock.advance(seconds=30)
        incident = await desk.open("monitor/2")
        await desk.gathered(1)
        desk.clock.advance(seconds=31)  # the storm is over, but what it gathered is told in half a minute only
        await desk.resolve(incident)
        await desk.gathered(2)
        desk.clock.advance(seconds=29)
        await desk.settled(2)
    told = [(line["happened"], line["title"]) for each in hook.told for line in each.json["data"]["incidents"]]
    assert told == [("opened", f"Trouble with monitor/{number}") for number in (1, 2)] + [("resolved", "Trouble with monitor/2")]


async def test_nobody_acknowledges_so_the_next_channel_is_told_and_after_that_only_of_the_end(desk: Clinic, hook: Receiver):
    first = await desk.channel(f"{hook.url}/first")
    second = await desk.channel(f"{hook.url}/second", after_s=600)
    incident, quick = await desk.open("monitor/1"), await desk.open("monitor/2")
    async with desk.notifying():
        await desk.settled(2)
        await desk.acknowledge(quick)
        await desk.settled(3)
        desk.clock.advance(seconds=599)
        await desk.follow()
        assert await desk.notifications(channel=second["id"]) == []
        desk.clock.advance(seconds=1)
        await desk.settled(4)
        await desk.resolve(incident)
        await desk.settled(6)
    told = [(each.path, each.json["data"]["incidents"][0]["happened"]) for each in hook.told]
    assert [path for path, happened in told if happened == "escalated"] == ["/second"]
    assert sorted(path for path, happened in told if happened == "resolved") == ["/first", "/second"]
    assert len(await desk.notifications(channel=first["id"])) == 4


async def test_quiet_hours_hold_what_is_not_critical_until_the_morning(desk: Clinic, hook: Receiver):
    quiet = {"time_zone": "Asia/Tokyo", "starts": "20:00", "ends": "06:00"}
    await desk.channel(hook.url, quiet_hours=quiet)  # it is 21:00 there
    await desk.open("monitor/1", "warning")
    slept = await desk.open("monitor/2", "info")
    async with desk.notifying():
        await desk.open("monitor/3", "critical")
        await desk.settled(1)
        await desk.resolve(slept)
        await desk.gathered(3)
        desk.clock.advance(hours=9)
        sent = await desk.settled(2)
    assert [line["title"] for line in hook.told[0].json["data"]["incidents"]] == ["Trouble with monitor/3"]
    assert len([each for each in sent if each["due_at"] == "2026-03-01T21:00:00Z"]) == 1
    morning = hook.told[1].json["data"]["incidents"]
    assert {(line["happened"], line["title"]) for line in morning} == {
        ("opened", "Trouble with monitor/1"),
        ("opened", "Trouble with monitor/2"),
        ("resolved", "Trouble with monitor/2"),
    }


async def test_what_waits_for_a_deleted_channel_is_given_up(desk: Clinic, hook: Receiver):
    made = await desk.channel(hook.url)
    await desk.open("monitor/1")
    await desk.follow()
    await desk.http.delete(f"/v1/channels/{made['id']}", headers={"if-match": '"1"'})
    async with desk.notifying():
        [dead] = await desk.settled(1, "dead")
    assert dead["error"] == "channel-deleted"
    assert hook.requests == []
