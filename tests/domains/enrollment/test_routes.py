"""Batches over HTTP: what is taken, what is refused before anything is done, progress, and the report."""

import csv
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from keepwell.domains.enrollment import EnrollmentSettings
from keepwell.domains.enrollment.models import BatchView
from keepwell.domains.enrollment.routes import MOST_BYTES
from keepwell.domains.enrollment.service import EnrollmentService, Upload
from keepwell.domains.participants import ParticipantService
from keepwell.domains.programs import ProgramService
from keepwell.kernel import Origin, Refused
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.enrolling import act, counts, enroll, found, outcomes, people, program, run, table
from tests.support.http_server import raw_exchange
from tests.support.problems import assert_problem

CSV, LINES = {"content-type": "text/csv"}, {"content-type": "application/x-ndjson"}


async def test_lines_of_json_are_rows_too(clinic: Clinic):
    spring = await program(clinic)
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in people(1, 2))
    answer = await clinic.http.post(f"/v1/programs/{spring}/batches", content=content, headers=LINES)
    assert counts(await run(clinic, answer.json()["id"])) == {"total": 2, "enrolled": 2}
    assert counts(await enroll(clinic, spring, people(1, 2))) == {"total": 2, "unchanged": 2}


async def test_a_file_of_any_dialect_comes_in_pieces(clinic: Clinic):
    spring = await program(clinic)

    async def pieces() -> AsyncIterator[bytes]:
        text = '\ufeffExternal ID;Given Name;Ward\r\nE-1;"Ann; or\r\n""Änne""";"7"\r\nE-2;Bob;\r\n'.encode()
        for place in range(0, len(text), 3):
            yield text[place : place + 3]

    answer = await clinic.http.post(f"/v1/programs/{spring}/batches", content=pieces(), headers=CSV)
    assert answer.status_code == 202, answer.text
    await run(clinic, answer.json()["id"])
    assert await outcomes(clinic, answer.json()["id"]) == [(1, "enrolled", None), (2, "enrolled", None)]
    assert [(await found(clinic, name))[0]["given_name"] for name in ("E-1", "E-2")] == ['Ann; or "Änne"', "Bob"]


@pytest.mark.parametrize(
    ("content", "headers", "reason"),
    [
        (b"", LINES, "empty"),
        (b"external_id\n", CSV, "no-rows"),
        (b"name\nAnn\n", CSV, "missing-column"),
        (b"external_id\nE-1\nE-\xff\xfe\n" + b"x" * 10, {"content-type": "text/csv; charset=utf-8"}, "invalid-encoding"),
        (b"external_id\n" + b"x" * 1_000_001, CSV, "line-too-long"),
    ],
)
async def test_an_unreadable_file_is_refused_and_nothing_of_it_done(
    clinic: Clinic, content: bytes, headers: dict[str, str], reason: str
):
    spring = await program(clinic)
    answer = await clinic.http.post(f"/v1/programs/{spring}/batches", content=content, headers=headers)
    assert assert_problem(answer, 422, "unreadable-upload")["reason"] == reason
    assert (await clinic.http.get("/v1/batches")).json()["items"] == []
    assert await clinic.stored("SELECT count(*) FROM piece WHERE tenant_id = $1", clinic.tenant) == [(0,)]


async def test_what_is_too_large_no_file_or_for_no_program_is_refused(clinic: Clinic):
    path = f"/v1/programs/{await program(clinic)}/batches"
    assert_problem(
        await clinic.http.post(path, content=b"{}", headers={"content-type": "text/html"}), 415, "unsupported-media-type"
    )
    nowhere = await clinic.http.post(f"/v1/programs/{new_id()}/batches", content=table(people(1)), headers=CSV)
    assert_problem(nowhere, 404, "not-found")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer clinician\r\nContent-Type: text/csv\r\n"
    head += f"Content-Length: {MOST_BYTES + 1}\r\n\r\n"
    assert b" 413 " in await raw_exchange(str(clinic.http.base_url).rstrip("/"), head.encode())


async def test_the_same_upload_under_one_key_is_one_batch(clinic: Clinic):
    spring = await program(clinic)
    path, headers = f"/v1/programs/{spring}/batches", {**CSV, "idempotency-key": "once"}
    first, again = [await clinic.http.post(path, content=table(people(1)), headers=headers) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = await clinic.http.post(path, content=table(people(2)), headers=headers)
    assert_problem(other, 422, "idempotency-key-reused")
    assert await clinic.stored("SELECT count(*) FROM piece WHERE tenant_id = $1", clinic.tenant) == [(1,)]


async def test_a_clinic_has_no_more_open_than_it_may(clinic: Clinic):
    spring, actor = await program(clinic), clinic.actors["Bearer clinician"]
    people_, programs = ParticipantService(clinic.kernel), ProgramService(clinic.kernel)
    narrow = EnrollmentService(clinic.kernel, programs, people_, EnrollmentSettings(open_batches=1, rows=2))
    taken = Upload(UUID(spring), "text/csv")
    with pytest.raises(Refused, match="too-many-rows"):
        await narrow.upload(actor, Origin("test", "test"), taken, once(table(people(1, 2, 3))))
    await narrow.upload(actor, Origin("test", "test"), taken, once(table(people(1))))
    with pytest.raises(Refused, match="too-many-batches"):
        await narrow.upload(actor, Origin("test", "test"), taken, once(table(people(1))))


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_progress_is_told_until_the_end(clinic: Clinic):
    id_ = (await enroll(clinic, await program(clinic), people(1, 2)))["id"]
    text = (await clinic.http.get(f"/v1/batches/{id_}/events")).text
    [data] = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    seen = msgspec.json.decode(data, type=BatchView)
    assert (seen.id, seen.status, seen.rows.enrolled) == (UUID(id_), "completed", 2)


async def test_the_report_has_a_line_for_every_row(clinic: Clinic):
    spring = await program(clinic)
    done = await enroll(clinic, spring, [*people(*range(1100)), {"external_id": "", "ward": "7"}])
    answer = await clinic.http.get(f"/v1/batches/{done['id']}/report")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(answer.text.splitlines()))
    assert [int(line["row"]) for line in lines] == list(range(1, 1102))
    assert (lines[0]["outcome"], lines[-1]["reason"]) == ("enrolled", "missing-external-id")
    page = (await clinic.http.get(f"/v1/batches/{done['id']}/rows?limit=600")).json()
    assert (len(page["items"]), page["next"]) == (600, "600")
    rest = (await clinic.http.get(f"/v1/batches/{done['id']}/rows?limit=600&cursor=600")).json()
    assert ([one["row"] for one in rest["items"]], rest["next"]) == (list(range(601, 1102)), None)


async def test_nobody_else_sees_a_batch(clinic: Clinic):
    spring = await program(clinic)
    id_ = (await enroll(clinic, spring, people(1)))["id"]
    stranger = clinic.acting("stranger", tenant=new_id())
    for tail in ("", "/rows", "/report", "/events"):
        assert_problem(await clinic.http.get(f"/v1/batches/{id_}{tail}", headers=stranger), 404, "not-found")
    assert_problem(await clinic.http.post(f"/v1/batches/{id_}/rollback", headers=stranger), 404, "not-found")
    assert (await clinic.http.get("/v1/batches", headers=stranger)).json()["items"] == []
    nobody = clinic.acting("nobody", ("user/Patient.r",))
    assert_problem(await clinic.http.get(f"/v1/batches/{id_}", headers=nobody), 403, "forbidden")
    assert (await act(clinic, id_, "rollback"))["status"] == "running"
