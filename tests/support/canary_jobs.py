"""Plants canaries where jobs are named and looked for."""

from uuid import uuid4

from tests.support.canary_routes import Planter


def plant(planter: Planter) -> None:
    """Words where a status or an id of a job belongs."""
    planter.send("GET /v1/jobs", expected=200)
    planter.send("GET /v1/jobs", params={"status": planter.secret.text("status of jobs")}, expected=400)
    program = planter.send("GET /v1/programs", expected=200).json()["items"][0]["id"]
    planter.send("GET /v1/programs/{id}/reminders", f"/v1/programs/{program}/reminders", expected=200)
    path = "/v1/jobs/{id}/retry"
    planter.send(f"POST {path}", path.format(id=uuid4()), expected=404)
    planter.send(f"POST {path}", path.format(id=planter.named.text("id of a job")))
