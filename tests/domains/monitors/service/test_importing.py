"""Imports into a clinic: each thing once, what changed in the file changed here, and what people set here kept."""

import json
from typing import Any

from tests.domains.monitors.conftest import ORIGIN, Clinic
from tests.support.problems import assert_refused

FILE = """
endpoints:
  - {name: portal, url: "https://portal.clinic.example", interval: INTERVAL, conditions: ["[STATUS] == 200"]}
  - {name: inside, url: "http://10.0.0.1", conditions: ["[STATUS] == 200"]}
  - {name: ping, url: "icmp://clinic.example"}
external-endpoints: [{name: export, heartbeat: {interval: 1h}}]
"""


async def sent(clinic: Clinic, text: str, system: str = "gatus", **more: Any) -> dict[str, Any]:
    answer = await clinic.http.post("/v1/monitors/import", json={"from": system, "files": [text], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in report["monitors"]}


async def test_a_dry_run_says_what_the_import_then_does(clinic: Clinic):
    text = FILE.replace("INTERVAL", "1m")
    tried, listed = await sent(clinic, text, dry_run=True), await clinic.http.get("/v1/monitors")
    assert listed.json()["items"] == []
    done = await sent(clinic, text)
    assert (
        outcomes(tried) == outcomes(done) == {"portal": "created", "inside": "refused", "ping": "left-out", "export": "created"}
    )
    assert [each["errors"] for each in tried["monitors"]] == [each["errors"] for each in done["monitors"]]
    assert done["monitors"][1]["errors"][0]["code"] == "private-address"
    assert (tried["dry_run"], tried["created"], done["created"], done["refused"]) == (True, 2, 2, 1)
    assert {each["name"] for each in (await clinic.http.get("/v1/monitors")).json()["items"]} == {"portal", "export"}
    beat = next(each["heartbeat_path"] for each in done["monitors"] if each["name"] == "export")
    assert (await clinic.service.heartbeats.find(beat.removeprefix("/v1/heartbeats/"), ORIGIN))[0] == clinic.tenant


async def test_the_same_file_again_changes_nothing_and_another_one_only_what_it_says(clinic: Clinic):
    first = await sent(clinic, FILE.replace("INTERVAL", "1m"))
    portal = first["monitors"][0]["id"]
    again = await sent(clinic, FILE.replace("INTERVAL", "1m"))
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)
    made = (await clinic.http.get(f"/v1/monitors/{portal}")).json()
    assert (made["version"], made["imported_from"]) == (1, "gatus")
    changed = (await clinic.patch(made, name="The portal", priority="high")).json()
    assert outcomes(await sent(clinic, FILE.replace("INTERVAL", "1m")))["portal"] == "unchanged"
    assert (await clinic.http.get(f"/v1/monitors/{portal}")).json() == changed
    assert outcomes(await sent(clinic, FILE.replace("INTERVAL", "2m")))["portal"] == "updated"
    updated = (await clinic.http.get(f"/v1/monitors/{portal}")).json()
    assert (updated["interval_s"], updated["priority"], updated["name"]) == (120, "high", "portal")


async def test_what_was_deleted_here_is_made_again(clinic: Clinic):
    first = await sent(clinic, FILE.replace("INTERVAL", "1m"))
    await clinic.http.delete(f"/v1/monitors/{first['monitors'][0]['id']}", headers={"if-match": '"1"'})
    again = await sent(clinic, FILE.replace("INTERVAL", "1m"))
    assert outcomes(again)["portal"] == "created"
    assert again["monitors"][0]["id"] != first["monitors"][0]["id"]


async def test_what_is_not_active_there_is_paused_and_secrets_stay_secret(clinic: Clinic):
    monitor = {
        "id": 1,
        "name": "Portal",
        "type": "http",
        "url": "https://portal.clinic.example",
        "active": False,
        "basic_auth_user": "probe",
        "basic_auth_pass": "canary",
    }
    report = await sent(clinic, json.dumps({"monitorList": [monitor]}), "uptime-kuma")
    shown = await clinic.http.get(f"/v1/monitors/{report['monitors'][0]['id']}")
    assert (shown.json()["paused"], shown.json()["secrets"]["basic"]) == (True, True)
    assert "canary" not in shown.text + json.dumps(report)
    turned = monitor | {"type": "port", "hostname": "db.clinic.example", "port": 5432}
    refused = await sent(clinic, json.dumps({"monitorList": [turned]}), "uptime-kuma")
    assert [fault["pointer"] for fault in refused["monitors"][0]["errors"]] == ["/kind"]


async def test_a_file_that_is_none_is_refused(clinic: Clinic):
    for text in ("[" * 100_000, "a: [", "1"):
        answer = await clinic.http.post("/v1/monitors/import", json={"from": "gatus", "files": [text]})
        assert_refused(answer, 422, "invalid-import")
