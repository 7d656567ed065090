"""Plants canaries in a monitor that is checked, and looks at what came of it."""

from tests.support.canary_routes import Planter


def plant(planter: Planter) -> None:
    """A check of a target that is not there, asked for, and everything that tells of it. As an administrator."""
    secret, path = planter.secret, "/v1/monitors/{id}"
    body = {"name": secret.text("monitor that is checked"), "target": f"https://{secret.text('host that is checked')}.invalid/"}
    made = planter.send("POST /v1/monitors", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/monitors/{made['id']}"
    planter.send(f"POST {path}/check", f"{one}/check", headers=planter.key(), expected=202)
    for what in ("results", "uptime", "status", "transitions", "dead-checks", "anomalies"):
        planter.send(f"GET {path}/{what}", f"{one}/{what}", expected=200)
    for place in ("/v1/uptime", "/v1/uptime.csv"):
        planter.send(f"GET {place}", expected=200)
