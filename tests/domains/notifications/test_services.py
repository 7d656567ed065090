"""Slack, PagerDuty and mail get what they understand, and are tried again when they behave badly."""

import asyncio

import pytest
from apprise.plugins import pagerduty, slack

from keepwell.platform.messengers import Message, MessageError, Messenger
from tests.support.mail_server import mail_server
from tests.support.receiver import Manner, Receiver
from tests.support.telling import Clinic
from tests.support.waiting import eventually_async

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
PAGERDUTY = "pagerduty://0123456789abcdef0123456789abcdef@token/keepwell"
MESSAGE = Message("A title", "A text", "failure", "keepwell-1")


@pytest.fixture
def services(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """The simulator stands where Slack and PagerDuty are."""
    monkeypatch.setattr(slack.NotifySlack, "webhook_url", f"{hook.url}/services")
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"{hook.url}/v2/enqueue")
    return hook


async def test_slack_is_told_in_the_form_of_its_webhooks(desk: Clinic, services: Receiver):
    made = await desk.channel(SLACK, kind="apprise")
    assert (made["url"], made["secret"]) == ("slack://...", None)
    incident = await desk.open("monitor/1")
    async with desk.notifying():
        await desk.settled(1)
    told = services.taken[0]
    assert told.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert told.json["channel"] == "#ops"
    [attached] = told.json["attachments"]
    assert attached["title"] == "[critical] Opened: Trouble with monitor/1"
    assert f"https://keepwell.test/v1/incidents/{incident}" in attached["text"]


async def test_pagerduty_opens_and_closes_one_incident_for_each_of_ours(desk: Clinic, services: Receiver):
    await desk.channel(PAGERDUTY, kind="apprise")
    incident = await desk.open("monitor/1")
    async with desk.notifying():
        await desk.settled(1)
        await desk.resolve(incident)
        await desk.settled(2)
    opened, closed = services.taken[0].json, services.taken[-1].json
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == f"keepwell-{incident}"
    assert opened["routing_key"] == "0123456789abcdef0123456789abcdef"
    assert opened["payload"]["severity"] == "critical"
    assert "Trouble with monitor/1" in opened["payload"]["summary"]


async def test_mail_arrives_with_subject_and_link(desk: Clinic):
    async with mail_server() as mail:
        port = mail.url.rpartition(":")[2]
        await desk.channel(f"mailto://127.0.0.1:{port}?from=keepwell@x.test&to=ops@y.test&mode=insecure", kind="apprise")
        mail.manner = "refuses"
        incident = await desk.open("monitor/1", "warning")

        async def tried() -> bool:
            return mail.connections > 0

        async with desk.notifying():
            await eventually_async(tried, 60)
            mail.manner = "good"
            await desk.settled(1)
    message = mail.messages[0]
    assert message["To"] == "ops@y.test"
    assert message["Subject"] == "[warning] Opened: Trouble with monitor/1"
    assert f"/v1/incidents/{incident}" in message.as_string()


@pytest.mark.parametrize("manner", ["fails", "limits", "cuts"])
async def test_a_service_that_does_not_take_it_is_told_again(desk: Clinic, services: Receiver, manner: Manner):
    services.manner = manner
    await desk.channel(SLACK, kind="apprise")
    await desk.open("monitor/1")

    async def tried() -> bool:
        return len(services.requests) >= 2

    async with desk.notifying():
        await eventually_async(tried, 60)
        services.manner = "good"
        [sent] = await desk.settled(1)
    assert sent["attempts"] >= 3


async def test_a_service_that_hangs_is_left_when_its_time_is_over_and_its_thread_ends(services: Receiver):
    services.manner = "hangs"
    messenger = Messenger(private=True, seconds=0.5)
    with pytest.raises(MessageError, match="timed-out"):
        await messenger.send(f"{SLACK}?rto=600&cto=600", MESSAGE)
    pool = messenger._pool  # pyright: ignore[reportPrivateUsage]
    await asyncio.wait_for(asyncio.to_thread(pool.shutdown), 60)


@pytest.mark.parametrize(
    "url", [SLACK, "json://127.0.0.1:9/", "json://localhost:9/", "mailto://a:b@127.0.0.1:9?from=a@x.test&to=b@x.test"]
)
async def test_no_service_is_reached_on_this_machine_unless_it_may_be(services: Receiver, url: str):
    messenger = Messenger(seconds=30)
    with pytest.raises(MessageError) as caught:
        await messenger.send(url, MESSAGE)
    assert (caught.value.reason, caught.value.final) == ("forbidden-address", True)
    assert services.requests == []
    messenger.close()
