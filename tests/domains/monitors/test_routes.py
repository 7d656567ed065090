"""Monitors over HTTP: made, shown without secrets, changed in what is given, paused, ended; heartbeats."""

from functools import partial
from uuid import UUID

import pytest

from keepwell.kernel import Refused
from keepwell.kit.ids import new_id
from tests.domains.monitors.conftest import ORIGIN, PORTAL, Clinic
from tests.support.problems import assert_refused

SECRETS = {
    "basic": {"username": "probe", "password": "canary-password"},
    "headers": {"X-Clinic": "canary-header"},
    "variables": {"pin": "canary-variable"},
}


async def test_a_monitor_is_what_was_said_of_it_and_usual_where_nothing_was(clinic: Clinic):
    made = await clinic.create(
        regions=["eu-1", "us-1"], quorum=2, priority="high", assertions=[{"on": "status", "compare": "within", "value": "200"}]
    )
    shown = await clinic.http.get(f"/v1/monitors/{made['id']}")
    assert shown.json() == made
    assert shown.headers["etag"] == '"1"'
    assert (made["name"], made["kind"], made["interval_s"], made["timeout_s"]) == ("Portal", "http", 30, 10.0)
    assert (made["regions"], made["quorum"], made["priority"], made["severity"]) == (["eu-1", "us-1"], 2, "high", "critical")
    assert (made["dns"], made["http"]["method"], made["paused"]) == (None, "GET", False)


async def test_no_answer_ever_holds_a_secret(clinic: Clinic):
    headers = {"Authorization": "canary-authorization", "Accept": "application/json"}
    made = await clinic.create(secrets=SECRETS, http={"headers": headers, "body": "{{pin}}"})
    assert made["http"]["headers"] == {"Accept": "application/json"}
    assert made["secrets"] == {
        "basic": True,
        "bearer": False,
        "client_certificate": False,
        "headers": ["Authorization", "X-Clinic"],
        "variables": ["pin"],
    }
    changed = await clinic.patch(made, secrets={"basic": None, "bearer": "canary-bearer", "headers": {"X-Clinic": None}})
    assert changed.json()["secrets"] | {"variables": []} == {
        "basic": False,
        "bearer": True,
        "client_certificate": False,
        "headers": ["Authorization"],
        "variables": [],
    }
    listed = await clinic.http.get("/v1/monitors")
    refused = await clinic.http.post("/v1/monitors", json=PORTAL | {"secrets": SECRETS, "interval_s": 1})
    for answer in (changed, listed, refused, await clinic.http.get(f"/v1/monitors/{made['id']}")):
        assert "canary" not in answer.text
    state, version = await clinic.service.keeper.load(clinic.tenant, UUID(made["id"]), ORIGIN)
    assert (state.secrets.bearer, state.secrets.variables, version) == ("canary-bearer", {"pin": "canary-variable"}, 2)


async def test_only_what_is_given_changes_and_equal_is_no_change(clinic: Clinic):
    made = await clinic.create(tags=["a"], parent=(await clinic.create())["id"])
    changed = (await clinic.patch(made, interval_s=60, parent=None)).json()
    assert {**made, "interval_s": 60, "parent": None, "version": 2, "updated_at": changed["updated_at"]} == changed
    assert (await clinic.patch(changed, interval_s=60)).json()["version"] == 2
    assert_refused(await clinic.patch(made, interval_s=90), 412, "version-conflict")
    assert_refused(await clinic.http.patch(f"/v1/monitors/{made['id']}", json={}), 428, "precondition-required")
    assert_refused(await clinic.patch(changed, kind="tcp"), 422, "invalid-body")


async def test_it_is_paused_resumed_and_ended_for_good(clinic: Clinic):
    made = await clinic.create()
    path = f"/v1/monitors/{made['id']}"
    assert [(await clinic.http.post(f"{path}/{action}")).json()["paused"] for action in ("pause", "pause", "resume")] == [
        True,
        True,
        False,
    ]
    assert_refused(await clinic.http.delete(path), 428, "precondition-required")
    assert (await clinic.http.delete(path, headers={"if-match": '"3"'})).status_code == 204
    for answer in (
        await clinic.http.get(path),
        await clinic.http.post(f"{path}/pause"),
        await clinic.http.delete(path, headers={"if-match": '"4"'}),
        await clinic.http.patch(path, json={"interval_s": 60}, headers={"if-match": '"4"'}),
    ):
        assert_refused(answer, 404, "not-found")
    assert (await clinic.http.get("/v1/monitors")).json()["items"] == []


async def test_each_fault_is_told_where_it_stands(clinic: Clinic):
    assert await clinic.refused(
        name=" ",
        interval_s=0,
        regions=["A"],
        quorum=2,
        target="ftp://clinic.example",
        assertions=[
            {"on": "body", "compare": "matches", "value": "(?=x)"},
            {"on": "json", "compare": "present", "name": "status"},
        ],
        maintenance=[{"reason": "some day"}],
        service_hours=[{"cron": "0 8 * * 1-5", "time_zone": "Mars/Olympus", "duration_s": 3600}],
    ) == [
        ("/name", "name-length"),
        ("/regions/0", "invalid-value"),
        ("/interval_s", "range"),
        ("/quorum", "range"),
        ("/target", "invalid-value"),
        ("/maintenance/0", "incomplete"),
        ("/service_hours/0/time_zone", "invalid-value"),
        ("/assertions/0/value", "invalid-value"),
        ("/assertions/1/name", "invalid-value"),
    ]


PRIVATE = [
    "http://127.0.0.1/",
    "http://10.1.2.3:8080/x",
    "https://[::1]/",
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:192.168.1.1]/",
    "http://localhost:8080/",
    "http://database/",
    "http://printer.local/",
    "http://api.internal./",
]


@pytest.mark.parametrize("target", PRIVATE)
async def test_addresses_that_are_no_public_ones_are_closed_until_an_operator_opens_them(clinic: Clinic, target: str):
    assert await clinic.refused(target=target) == [("/target", "private-address")]
    await clinic.service.keeper.allow_private(clinic.tenant, ORIGIN, private=True)
    made = await clinic.create(target=target)
    await clinic.service.keeper.allow_private(clinic.tenant, ORIGIN, private=False)
    assert (await clinic.patch(made, interval_s=60)).status_code == 200
    assert await clinic.refused(target=target) == [("/target", "private-address")]


async def test_a_parent_is_another_monitor_of_the_clinic_that_does_not_depend_on_it(clinic: Clinic):
    assert await clinic.refused(parent=str(new_id())) == [("/parent", "invalid-value")]
    top = await clinic.create()
    middle = await clinic.create(parent=top["id"])
    bottom = await clinic.create(parent=middle["id"])
    for below in (top, middle, bottom):
        assert_refused(await clinic.patch(top, parent=below["id"]), 422, "invalid-monitor")


async def test_a_heartbeat_that_only_says_its_interval_is_waited_for_every_interval(clinic: Clinic):
    body = {"name": "Export", "kind": "heartbeat", "target": None, "interval_s": 30}

    made = await clinic.http.post("/v1/monitors", json=body)

    assert made.status_code == 201, made.text
    assert (made.json()["heartbeat"]["period_s"], made.json()["heartbeat"]["grace_s"]) == (30, 30)


async def test_a_heartbeat_is_known_by_a_token_that_is_shown_once(clinic: Clinic):
    find = partial(clinic.service.heartbeats.find, origin=ORIGIN)
    key = {"idempotency-key": str(new_id())}
    body = {"name": "Export", "kind": "heartbeat", "heartbeat": {"cron": "0 3 * * *", "time_zone": "Europe/Berlin"}}
    answers = [await clinic.http.post("/v1/monitors", json=body, headers=key) for _ in range(2)]
    made = answers[0].json()
    assert answers[1].json() == made
    assert made["heartbeat_path"] == f"/v1/heartbeats/{made['heartbeat_token']}"
    path = f"/v1/monitors/{made['id']}"
    assert made["heartbeat_token"] not in (await clinic.http.get(path)).text
    assert await find(made["heartbeat_token"]) == (clinic.tenant, UUID(made["id"]))
    rotated = (await clinic.http.post(f"{path}/rotate")).json()
    assert await find(rotated["heartbeat_token"]) == (clinic.tenant, UUID(made["id"]))
    await clinic.http.delete(path, headers={"if-match": '"2"'})
    for gone in (made["heartbeat_token"], rotated["heartbeat_token"], "x", f"kwhb_{'A' * 43}"):
        with pytest.raises(Refused) as refused:
            await find(gone)
        assert refused.value.refusal.code == "not-found"


async def test_only_a_heartbeat_has_a_token(clinic: Clinic):
    made = await clinic.create()
    assert "heartbeat_token" not in made
    assert_refused(await clinic.http.post(f"/v1/monitors/{made['id']}/rotate"), 409, "no-heartbeat")


async def test_clinicians_may_nothing(clinic: Clinic):
    made = await clinic.create()
    headers = {"authorization": "Bearer clinician"}
    assert_refused(await clinic.http.get(f"/v1/monitors/{made['id']}", headers=headers), 403, "forbidden")
    assert_refused(await clinic.http.post("/v1/monitors", json=PORTAL, headers=headers), 403, "forbidden")
