"""Plants canaries in monitors: in what they are called, where they ask, what they prove, and in files that are imported."""

import json

from tests.support.canary_routes import Planter


def plant(planter: Planter) -> None:
    """Everything that this room takes, where it belongs and where it does not. Leaves an administrator signed in."""
    secret, path = planter.secret, "/v1/monitors/{id}"
    body = {
        "name": secret.text("name of a monitor"),
        "target": f"https://{secret.text('host')}.test/{secret.text('path')}",
        "http": {"headers": {"Authorization": secret.text("authorization")}, "body": secret.text("body of a check")},
        "secrets": {
            "basic": {"username": secret.text("user"), "password": secret.text("password")},
            "variables": {"pin": secret.text("variable")},
        },
        "assertions": [{"on": "body", "compare": "contains", "value": secret.text("asserted")}],
        "tags": [secret.text("tag")],
    }
    planter.send("POST /v1/monitors", json=body | {"target": secret.text("no target")}, expected=422)
    made = planter.send("POST /v1/monitors", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/monitors/{made['id']}"
    change = {"name": secret.text("new name"), "secrets": {"bearer": secret.text("bearer"), "basic": None}}
    for version, expected in ((1, 200), (1, 412)):
        planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": f'"{version}"'}, expected=expected)
    for action in ("pause", "resume"):
        planter.send(f"POST {path}/{action}", f"{one}/{action}", expected=200)
    for template in ("/v1/monitors", path):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)
    planter.send(f"DELETE {path}", one, headers={"If-Match": '"4"'}, expected=204)
    heartbeats(planter)
    imports(planter)


def heartbeats(planter: Planter) -> None:
    """Tokens by which beats are known, and texts that are none."""
    secret, template = planter.secret, "/v1/heartbeats/{token}"
    body = {"name": secret.text("heartbeat"), "kind": "heartbeat", "heartbeat": {"period_s": 3600}}
    made = planter.send("POST /v1/monitors", json=body, headers=planter.key(), expected=201).json()
    secret.known(made["heartbeat_token"], "token of a heartbeat")
    planter.send(f"POST {template}", made["heartbeat_path"], expected=204)
    planter.send(f"POST {template}", f"/v1/heartbeats/{secret.text('no token')}", expected=404)
    rotate = "/v1/monitors/{id}/rotate"
    rotated = planter.send(f"POST {rotate}", rotate.replace("{id}", made["id"]), headers=planter.key(), expected=200).json()
    secret.known(rotated["heartbeat_token"], "token of a heartbeat")


def imports(planter: Planter) -> None:
    """Files with secrets, and files that are none."""
    secret, template = planter.secret, "POST /v1/monitors/import"
    monitor = {
        "id": 1,
        "name": secret.text("name in a file"),
        "type": "http",
        "url": f"https://{secret.text('host in a file')}.test/",
        "basic_auth_user": "probe",
        "basic_auth_pass": secret.text("password in a file"),
        secret.text("unknown"): secret.text("value"),
    }
    files = [json.dumps({"monitorList": [monitor]})]
    planter.send(template, json={"from": "uptime-kuma", "files": files}, expected=200)
    planter.send(template, json={"from": "gatus", "files": [f"[{secret.text('no YAML')}"]}, expected=422)
