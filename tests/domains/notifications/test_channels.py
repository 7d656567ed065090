"""Channels: where people are told, of what; set up, tried out, changed and ended, without their secrets being shown."""

from keepwell.domains.notifications import NotificationSettings
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.mail_server import mail_server
from tests.support.problems import assert_refused
from tests.support.receiver import Receiver
from tests.support.telling import Clinic, clinic


async def test_a_channel_is_made_changed_and_ended_and_never_shows_its_address_or_secret_again(desk: Clinic, hook: Receiver):
    made = await desk.channel(f"{hook.url}/T000/token-of-mine", name="On call", tags=["payments"])
    assert made["secret"].startswith("whsec_")
    assert made["url"] == f"{hook.url}/..."
    path = f"/v1/channels/{made['id']}"
    shown = await desk.http.get(path)
    assert shown.json() == {name: value for name, value in made.items() if name != "secret"}
    assert_refused(await desk.http.patch(path, json={"after_s": 600}), 428, "precondition-required")
    changed = await desk.http.patch(path, json={"after_s": 600, "paused": True}, headers={"if-match": '"1"'})
    assert changed.json() == shown.json() | {"after_s": 600, "paused": True, "version": 2}
    assert_refused(await desk.http.delete(path, headers={"if-match": '"1"'}), 412, "version-conflict")
    assert (await desk.http.delete(path, headers={"if-match": '"2"'})).status_code == 204
    assert_refused(await desk.http.get(path), 404, "not-found")
    assert_refused(await desk.http.post(f"{path}/test"), 404, "not-found")
    assert (await desk.http.get("/v1/channels")).json() == {"items": [], "next": None}


async def test_a_request_that_is_repeated_under_its_key_is_shown_the_same_secret(desk: Clinic, hook: Receiver):
    body, key = {"kind": "webhook", "url": hook.url}, {"idempotency-key": "one"}
    first = await desk.http.post("/v1/channels", json=body, headers=key)
    again = await desk.http.post("/v1/channels", json=body, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")


async def test_what_cannot_be_followed_is_refused_with_the_place(desk: Clinic):
    quiet = {"time_zone": "UTC", "starts": "22:00", "ends": "07:00"}
    wrong: list[tuple[dict[str, object], str]] = [
        ({"url": "ftp://files.example"}, "/url"),
        ({"url": "https://me:secret@hooks.example"}, "/url"),
        ({"kind": "apprise", "url": "nothing://here"}, "/url"),
        ({"kind": "apprise", "url": "syslog://"}, "/url"),
        ({"severities": []}, "/severities"),
        ({"after_s": -1}, "/after_s"),
        ({"group_after": 0}, "/group_after"),
        ({"group_window_s": 0}, "/group_window_s"),
        ({"quiet_hours": quiet | {"time_zone": "Mars/Olympus"}}, "/quiet_hours/time_zone"),
        ({"quiet_hours": quiet | {"starts": "25:00"}}, "/quiet_hours/starts"),
    ]
    for body, pointer in wrong:
        answer = await desk.http.post("/v1/channels", json={"kind": "webhook", "url": "https://hooks.example", **body})
        assert_refused(answer, 422, "invalid-channel")
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_a_channel_leads_to_public_addresses_and_over_tls_only(clean_database: DatabaseUrls, manual_clock: ManualClock):
    hosts = ("https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/x", "https://10.1.2.3/", "http://example.org/")
    async with clinic(clean_database, manual_clock, NotificationSettings()) as desk:
        for url in hosts:
            assert_refused(await desk.http.post("/v1/channels", json={"kind": "webhook", "url": url}), 422, "invalid-channel")


async def test_a_name_that_leads_to_this_machine_is_refused_when_it_is_connected_to(
    clean_database: DatabaseUrls, manual_clock: ManualClock
):
    async with clinic(clean_database, manual_clock, NotificationSettings()) as desk, mail_server() as mail:
        port = mail.url.rpartition(":")[2]
        for kind, url in (
            ("webhook", "https://localhost/"),
            ("apprise", f"mailto://a:b@localhost:{port}?from=a@x.test&to=b@x.test&mode=insecure"),
        ):
            made = await desk.channel(url, kind=kind)
            tested = await desk.http.post(f"/v1/channels/{made['id']}/test")
            assert tested.json() == {"sent": False, "error": "forbidden-address"}
        assert mail.connections == 0


async def test_a_test_says_what_came_of_it(desk: Clinic, hook: Receiver):
    made = await desk.channel(hook.url)
    tested = await desk.http.post(f"/v1/channels/{made['id']}/test")
    assert tested.json() == {"sent": True, "error": None}
    assert hook.taken[0].json["type"] == "test"
    hook.manner = "fails"
    assert (await desk.http.post(f"/v1/channels/{made['id']}/test")).json() == {"sent": False, "error": "status-500"}
    await hook.refuse()
    assert (await desk.http.post(f"/v1/channels/{made['id']}/test")).json() == {"sent": False, "error": "refused"}
