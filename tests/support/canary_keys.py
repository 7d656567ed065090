"""Plants canaries in keys, incidents, emergency access and vendors; the keys themselves are looked for like any of them."""

import json
from typing import Any

from tests.support.canary_routes import Planter
from tests.support.leak_reports import Signer


def plant(planter: Planter, signer: Signer) -> None:
    """Everything that these rooms take, where it belongs. Leaves an administrator signed in."""
    keys(planter, signer)
    incidents(planter)
    vendors(planter)
    schedules(planter)
    emergency(planter)


def keys(planter: Planter, signer: Signer) -> None:
    """Keys with names, used and found in public; one reported with whatever else a report may hold."""
    secret, path = planter.secret, "/v1/keys/{id}"
    body = {"name": secret.text("name of a key"), "scopes": ["system/Questionnaire.rs"]}
    made = planter.send("POST /v1/keys", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/keys/{made['key']['id']}"
    rotated = planter.send(f"POST {path}/rotate", f"{one}/rotate", json={}, headers=planter.key(), expected=201).json()
    for token in (made["token"], rotated["token"]):
        secret.known(token[-36:], "secret of a key")
        planter.send("GET /v1/questionnaires", headers={"Authorization": f"Bearer {token}"}, expected=200)
        planter.send("GET /v1/users", headers={"Authorization": f"Bearer {token}"}, expected=403)
        planter.send("GET /v1/users", headers={"Authorization": f"Bearer {token}{secret.text('behind a key')}"}, expected=401)
    change = {"name": secret.text("new name of a key")}
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"2"'}, expected=200)
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"2"'}, expected=412)
    wrong = {"name": secret.text("name"), "scopes": [secret.text("scope")], "allowed_addresses": [secret.text("address")]}
    planter.send("POST /v1/keys", json=wrong, expected=422)
    for template in ("/v1/keys", path, f"{path}/activity", "/v1/keys/unused", "/v1/keys/expiring", "/v1/users/unused"):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)
    leak(planter, signer, made["token"])
    planter.send(f"POST {path}/revoke", f"/v1/keys/{rotated['key']['id']}/revoke", expected=200)
    planter.send("GET /v1/questionnaires", headers={"Authorization": f"Bearer {rotated['token']}"}, expected=401)


def leak(planter: Planter, signer: Signer, token: str) -> None:
    secret = planter.secret
    findings: list[Any] = [
        {"token": token, "type": secret.text("type"), "url": f"https://x.test/{token}", "source": secret.text("source")},
        {"token": secret.text("no token"), "type": "x", "url": secret.text("address of a leak"), "source": "content"},
    ]
    content = json.dumps(findings).encode()
    planter.send("POST /v1/keys/leaks", content=content, headers=signer.headers(content), expected=204)
    planter.send("POST /v1/keys/leaks", content=content + b" ", headers=signer.headers(content), expected=403)


def incidents(planter: Planter) -> None:
    """What people write about the incident that the leak has opened."""
    [incident] = planter.send("GET /v1/incidents", expected=200).json()["items"]
    one = f"/v1/incidents/{incident['id']}"
    planter.send("GET /v1/incidents/{id}", one, expected=200)
    for action in ("acknowledge", "notes", "impact", "resolve"):
        text = {"text": planter.secret.text(f"text to {action}")}
        planter.send(f"POST /v1/incidents/{{id}}/{action}", f"{one}/{action}", json=text, headers=planter.key(), expected=200)
    planter.send("POST /v1/incidents/{id}/acknowledge", f"{one}/acknowledge", json={"text": "x"}, expected=409)
    judged = {"severity": "warning", "text": planter.secret.text("judgement")}
    planter.send("POST /v1/incidents/{id}/severity", f"{one}/severity", json=judged, expected=409)
    given = {"owner": None, "text": planter.secret.text("hand-over")}
    planter.send("POST /v1/incidents/{id}/assign", f"{one}/assign", json=given, expected=200)
    planter.send("GET /v1/incidents/{id}/postmortem", f"{one}/postmortem", expected=200)
    planter.send("GET /v1/incidents/times", expected=200)


def vendors(planter: Planter) -> None:
    """Names, contacts, papers."""
    secret, path = planter.secret, "/v1/vendors/{id}"
    body = {"name": secret.text("vendor"), "touches": [secret.text("touches")], "contact": secret.email("contact")}
    made = planter.send("POST /v1/vendors", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/vendors/{made['id']}"
    planter.send("POST /v1/vendors", json=body, expected=409)
    change = {"contact": secret.email("new contact")}
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"1"'}, expected=200)
    agreement = {"valid_from": "2026-01-01", "document": secret.text("document")}
    planter.send(f"POST {path}/agreements", f"{one}/agreements", json=agreement, headers=planter.key(), expected=200)
    for template in ("/v1/vendors", path, "/v1/vendors/expiring"):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)
    planter.send(f"POST {path}/end", f"{one}/end", json={"reason": secret.text("reason of an end")}, expected=200)


def schedules(planter: Planter) -> None:
    """Words where a task, a cron expression or a zone belong."""
    secret, path = planter.secret, "/v1/schedules/{id}"
    wrong = {"task": secret.text("task"), "cron": secret.text("cron"), "time_zone": secret.text("zone")}
    planter.send("POST /v1/schedules", json=wrong, expected=422)
    body = {"task": "flags.report-stale", "cron": "30 2 * * *", "time_zone": "Asia/Tokyo"}
    planter.send("POST /v1/schedules", json=body | {"cron": secret.text("cron")}, expected=422)
    made = planter.send("POST /v1/schedules", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/schedules/{made['id']}"
    for action in ("run", "pause", "resume"):
        planter.send(f"POST {path}/{action}", f"{one}/{action}", expected=200)
    for template in ("/v1/schedules", path, f"{path}/runs"):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)


def emergency(planter: Planter) -> None:
    """Why somebody needed more, for whom, and what was found about it."""
    secret, path = planter.secret, "/v1/break-glass/{id}"
    planter.sign_in("clinician@demo.test")
    body = {"reason": secret.text("reason of an emergency"), "patient": f"Patient/{secret.text('patient')}"}
    begun = planter.send("POST /v1/break-glass", json=body, headers=planter.key(), expected=201).json()
    secret.known(begun["refresh_token"][-32:], "refresh token")
    planter.send("POST /v1/break-glass", json={"reason": secret.text("x"), "minutes": 600}, expected=422)
    one = f"/v1/break-glass/{begun['break_glass']['id']}"
    planter.send("GET /v1/audit", headers={"Authorization": f"Bearer {begun['access_token']}"}, expected=200)
    planter.send(f"POST {path}/end", f"{one}/end", expected=200)
    planter.sign_in("admin@demo.test")
    review = {"finding": secret.text("finding")}
    planter.send(f"POST {path}/review", f"{one}/review", json=review, headers=planter.key(), expected=200)
    planter.send(f"POST {path}/review", f"{one}/review", json=review, expected=409)
    planter.send("GET /v1/break-glass", expected=200)
    planter.send(f"GET {path}", one, expected=200)
