"""Plants canaries in channels; an incident that is opened later is told there, and is not taken."""

from typing import Any

from tests.support.canary_routes import Planter
from tests.support.waiting import eventually


def plant(planter: Planter) -> None:
    """A channel with a secret in its address, and one with secrets where they do not belong. As an administrator."""
    secret, path = planter.secret, "/v1/channels/{id}"
    wrong = {"kind": "apprise", "url": f"{secret.text('scheme')}://{secret.text('host')}", "tags": [secret.text("tag")]}
    planter.send("POST /v1/channels", json=wrong, expected=422)
    for url in (f"https://hooks.invalid/{secret.text('webhook')}", f"json://hooks.invalid/{secret.text('apprise')}"):
        kind = "webhook" if url.startswith("https") else "apprise"
        body = {"kind": kind, "url": url, "name": secret.text("name of a channel")}
        made = planter.send("POST /v1/channels", json=body, headers=planter.key(), expected=201).json()
        one = f"/v1/channels/{made['id']}"
        tested = planter.send(f"POST {path}/test", f"{one}/test", expected=200).json()
        assert not tested["sent"]
    change = {
        "tags": [secret.text("tag of a channel")],
        "quiet_hours": {"time_zone": secret.text("zone"), "starts": "1", "ends": "2"},
    }
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"1"'}, expected=422)
    change = {"name": secret.text("new name of a channel")}
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"1"'}, expected=200)
    for template in ("/v1/channels", path):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)


def told(planter: Planter) -> None:
    """What the notifier tried to tell meanwhile; then the end of a channel."""
    path = "/v1/notifications/{id}"

    def tried() -> list[dict[str, Any]]:
        found = planter.send("GET /v1/notifications", expected=200).json()["items"]
        return [each for each in found if each["attempts"]]

    [first, *_] = eventually(tried, 30)
    planter.send(f"GET {path}", f"/v1/notifications/{first['id']}", expected=200)
    planter.send(f"POST {path}/redrive", f"/v1/notifications/{first['id']}/redrive", expected=409)
    one = f"/v1/channels/{first['channel']}"
    version = planter.send("GET /v1/channels/{id}", one, expected=200).headers["etag"]
    planter.send("DELETE /v1/channels/{id}", one, headers={"If-Match": version}, expected=204)
