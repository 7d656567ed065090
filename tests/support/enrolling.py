"""Enrolling people over HTTP: a program, files of rows, batches run to their ends here and now."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from tests.support.clinic import Clinic

SPRING = {"name": "Spring", "time_zone": "Europe/Berlin", "opens": "2026-01-01", "closes": "2026-12-31"}
"""A program that is open at the hour the tests' clock starts with."""

Rows = Sequence[Mapping[str, str]]


def people(*numbers: int, **more: str) -> list[dict[str, str]]:
    """Rows of made-up people, one for each number."""
    return [
        {
            "external_id": f"E-{number}",
            "given_name": f"Given{number}",
            "family_name": f"Family{number}",
            "birth_date": f"19{number % 80 + 10}-05-17",
            **more,
        }
        for number in numbers
    ]


def table(rows: Rows) -> bytes:
    """Rows as CSV."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def program(clinic: Clinic, **more: Any) -> str:
    """The id of a program just begun."""
    answer = await clinic.http.post("/v1/programs", json={**SPRING, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def upload(clinic: Clinic, program_id: str, rows: Rows, **modes: Any) -> str:
    """The id of a batch just uploaded."""
    query = {name: str(value).lower() for name, value in modes.items()}
    answer = await clinic.http.post(
        f"/v1/programs/{program_id}/batches", params=query, content=table(rows), headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def enroll(clinic: Clinic, program_id: str, rows: Rows, **modes: Any) -> dict[str, Any]:
    """A batch that has been run to its end."""
    id_ = await upload(clinic, program_id, rows, **modes)
    await clinic.enrollment.run(clinic.tenant, UUID(id_))
    return await batch(clinic, id_)


async def batch(clinic: Clinic, id_: str) -> dict[str, Any]:
    answer = await clinic.http.get(f"/v1/batches/{id_}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def outcomes(clinic: Clinic, id_: str, **query: Any) -> list[tuple[int, str, str | None]]:
    """Row, outcome and reason of every row of a batch."""
    answer = await clinic.http.get(f"/v1/batches/{id_}/rows", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return [(one["row"], one["outcome"], one["reason"]) for one in answer.json()["items"]]


def counts(seen: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a batch that are not zero."""
    return {name: number for name, number in seen["rows"].items() if number}


async def act(clinic: Clinic, id_: str, action: str, body: Any = None) -> dict[str, Any]:
    """A batch after an action on it."""
    answer = await clinic.http.post(f"/v1/batches/{id_}/{action}", **({} if body is None else {"json": body}))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def run(clinic: Clinic, id_: str) -> dict[str, Any]:
    """A batch run on to where it ends or rests."""
    await clinic.enrollment.run(clinic.tenant, UUID(id_))
    return await batch(clinic, id_)


async def found(clinic: Clinic, external_id: str) -> list[dict[str, Any]]:
    """The participants who are called so."""
    return (await clinic.http.get("/v1/participants", params={"external_id": external_id})).json()["items"]


async def history(clinic: Clinic, participant: str) -> list[str]:
    """What happened to a participant."""
    return [one["type"] for one in (await clinic.http.get(f"/v1/participants/{participant}/history")).json()["items"]]
