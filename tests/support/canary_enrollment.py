"""Plants canaries through files of people: in every column, in rows that do not come through, in corrections and merges."""

from typing import Any

from tests.support.canary_routes import Planter
from tests.support.waiting import eventually

_ENDED = ("completed", "failed", "cancelled", "rolled-back")
_CSV = {"Content-Type": "text/csv"}
_COLUMNS = "external_id,given_name,family_name,birth_date,email,phone,time_zone,Ward\n"


def plant(planter: Planter) -> None:
    """Everything that programs, batches and merges take, where it belongs."""
    program = _program(planter)
    where, done = _run(planter, program, _rows(planter))
    assert (done["rows"]["enrolled"], done["rows"]["dead"], done["rows"]["conflict"]) == (2, 3, 1), done
    _look(planter, where)
    _row(planter, where)
    _retry(planter, where)
    _run(planter, program, _rows(planter), dry_run="true")
    _steer(planter, program)
    _merge(planter, where)
    _unreadable(planter, program)


def _program(planter: Planter) -> str:
    send, secret = planter.send, planter.secret
    body = {"name": "Spring", "time_zone": "Europe/Berlin", "opens": "2020-01-01", "closes": "2090-12-31"}
    id_ = send("POST /v1/programs", json={**body, "name": secret.text("program")}, headers=planter.key(), expected=201).json()[
        "id"
    ]
    send("POST /v1/programs", json={**body, "time_zone": secret.text("time zone of a program")}, expected=422)
    send("GET /v1/programs", expected=200)
    send("GET /v1/programs/{id}", f"/v1/programs/{id_}", expected=200)
    change = {"json": {"name": secret.text("new name of a program")}, "headers": {"If-Match": '"1"'}}
    send("PATCH /v1/programs/{id}", f"/v1/programs/{id_}", **change, expected=200)
    return id_


def _rows(planter: Planter) -> str:
    secret = planter.secret
    first, second = secret.text("external id"), secret.text("external id")

    def row(external_id: str, birth_date: str = "", email: str = "", time_zone: str = "") -> str:
        names = (secret.text("given name"), secret.text("family name"))
        return ",".join((external_id, *names, birth_date, email, secret.text("phone"), time_zone, secret.text("ward"))) + "\n"

    return _COLUMNS + "".join(
        (
            row(first, "1970-05-17", secret.email("e-mail")),
            row(second),
            row(first),
            row(secret.text("external id of a dead row"), secret.text("no date")),
            row(secret.text("external id of a dead row"), "", "", secret.text("no time zone")),
            row("", secret.date("birth date of nobody")),
        )
    )


def _run(planter: Planter, program: str, rows: str, **modes: str) -> tuple[str, dict[str, Any]]:
    """Where the batch is, and how it ended."""
    path, headers = f"/v1/programs/{program}/batches", {**_CSV, **planter.key()}
    answer = planter.send(
        "POST /v1/programs/{id}/batches", path, content=rows.encode(), params=modes, headers=headers, expected=202
    )
    where = f"/v1/batches/{answer.json()['id']}"
    return where, _ended(planter, where)


def _ended(planter: Planter, where: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        seen = planter.send("GET /v1/batches/{id}", where, expected=200).json()
        return seen if seen["status"] in _ENDED else None

    seen = eventually(over, 30)
    assert seen is not None
    return seen


def _look(planter: Planter, where: str) -> None:
    planter.send("GET /v1/batches", expected=200)
    for tail in ("rows", "report", "events"):
        planter.send(f"GET /v1/batches/{{id}}/{tail}", f"{where}/{tail}", expected=200)


def _row(planter: Planter, where: str) -> None:
    """What a dead row said, which who corrects it has to see."""
    shown = planter.send("GET /v1/batches/{id}/rows/{row}", f"{where}/rows/4", expected=200).json()
    assert shown["values"]["given_name"] in planter.secret.planted, shown


def _retry(planter: Planter, where: str) -> None:
    secret = planter.secret
    corrections = [
        {"row": 4, "values": {"birth_date": "1990-01-31", "given_name": secret.text("corrected name")}},
        {"row": 6, "values": {"external_id": secret.text("corrected external id"), "time_zone": secret.text("wrong again")}},
    ]
    planter.send("POST /v1/batches/{id}/retry", f"{where}/retry", json={"corrections": corrections}, expected=200)
    assert _ended(planter, where)["rows"]["enrolled"] == 3


def _steer(planter: Planter, program: str) -> None:
    """Each action, allowed or not at that moment."""
    where, _ = _run(planter, program, _rows(planter))
    for action in ("pause", "resume", "cancel"):
        planter.send(f"POST /v1/batches/{{id}}/{action}", f"{where}/{action}", headers=planter.key(), expected=409)
    planter.send("POST /v1/batches/{id}/rollback", f"{where}/rollback", expected=200)
    assert _ended(planter, where)["status"] == "rolled-back"


def _merge(planter: Planter, where: str) -> None:
    rows = planter.send("GET /v1/batches/{id}/rows", f"{where}/rows", params={"outcome": "enrolled"}, expected=200).json()[
        "items"
    ]
    one, other = (row["participant"] for row in rows[:2])
    path, reason = f"/v1/participants/{one}", planter.secret.text("reason of a merge")
    match = {"If-Match": '"1"'}
    body = {"into": other, "reason": reason}
    planter.send("POST /v1/participants/{id}/merge", f"{path}/merge", json=body, headers=match, expected=200)
    match = {"If-Match": '"2"'}
    planter.send("POST /v1/participants/{id}/unmerge", f"{path}/unmerge", json={"reason": reason}, headers=match, expected=200)


def _unreadable(planter: Planter, program: str) -> None:
    secret, path = planter.secret, f"/v1/programs/{program}/batches"
    for content in (
        f"{secret.text('header')},{secret.text('header')}\n",
        f'{_COLUMNS}{secret.text("external id")},"{secret.text("quoted")}',
    ):
        planter.send("POST /v1/programs/{id}/batches", path, content=content.encode(), headers=_CSV, expected=422)
    lines = f'{{"external_id": "{secret.text("external id")}", "x": {secret.text("no JSON")}}}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    planter.send("POST /v1/programs/{id}/batches", path, content=lines.encode(), headers=headers)
    beyond = f"{_COLUMNS}{secret.text('external id')},{',' * 20}{secret.text('beyond')}\n"
    planter.send("POST /v1/programs/{id}/batches", path, content=beyond.encode(), headers=_CSV)
