"""The load scripts on a small real server, and what is made of their report."""

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench import wrk
from bench.wrk import LoadFailedError, Report, Target
from tests.support.http_server import serving

needs_wrk = pytest.mark.skipif(not wrk.installed(), reason="the load generator wrk is not installed")


class Versions:
    """Answers PATCH as the product does, as far as the scripts look, and counts what it must never see."""

    def __init__(self, refuse_every: int = 0) -> None:
        self.stored: dict[str, int] = {}
        self.keys: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.bodies: set[str] = set()
        self._refuse_every = refuse_every
        self._asked = 0
        self.app = Starlette(routes=[Route("/items/{id}", self.patch, methods=["PATCH"]), Route("/items/{id}", self.get)])

    async def patch(self, request: Request) -> Response:
        self._asked += 1
        id_, headers = request.path_params["id"], request.headers
        self.keys[headers["idempotency-key"]] += 1
        self.tokens.add(headers["authorization"])
        self.bodies.add(json.dumps(await request.json()))
        answer: dict[str, Any] = {"x-request-id": headers["x-request-id"]}
        version = self.stored.setdefault(id_, 1)
        if headers["if-match"] != f'"{version}"':
            return JSONResponse({"current_version": version}, 412, answer)
        self.stored[id_] = version + 1
        if self._refuse_every and self._asked % self._refuse_every == 0:
            return JSONResponse({}, 503, answer)  # stored, and yet not acknowledged
        return JSONResponse({"id": id_}, 200, {**answer, "etag": f'"{version + 1}"'})

    async def get(self, request: Request) -> Response:
        self.tokens.add(request.headers["authorization"])
        return JSONResponse({"id": request.path_params["id"]})


def targets(count: int) -> list[Target]:
    return [Target(UUID(int=n), f"/items/{UUID(int=n)}", f"token-{n}", 1, '{"answers":{"q":"@"}}') for n in range(count)]


@needs_wrk
async def test_patches_carry_rising_versions_fresh_keys_and_each_response_its_own_token() -> None:
    server = Versions()
    async with serving(server.app, "off") as url:
        report = await wrk.run("patch", url, targets(4), 4, 1, "run")
    assert report.facts["refused"] == 0
    assert set(server.keys.values()) == {1}
    assert server.tokens == {f"Bearer token-{n}" for n in range(4)}
    assert len(server.bodies) > 1
    changes = {UUID(id_): version for id_, version in server.stored.items()}
    assert 0 <= sum(changes.values()) - len(changes) - report.acknowledged <= 4
    assert all(0 <= changes[id_] - version <= 1 for id_, version in report.versions.items())


@needs_wrk
async def test_a_refusal_is_counted_and_the_version_the_server_names_is_taken_up() -> None:
    server = Versions(refuse_every=50)
    async with serving(server.app, "off") as url:
        report = await wrk.run("patch", url, targets(4), 4, 1, "run")
    assert report.statuses["503"] > 0
    assert report.statuses["412"] <= report.statuses["503"]
    assert report.acknowledged > 10 * report.facts["refused"]
    with pytest.raises(LoadFailedError, match="503"):
        report.as_run()


@needs_wrk
async def test_reads_go_round_all_targets() -> None:
    server = Versions()
    async with serving(server.app, "off") as url:
        run = (await wrk.run("get", url, targets(6), 4, 1)).as_run()
    assert run.per_second > 0
    assert run.p99_ms >= run.p50_ms > 0
    assert server.tokens == {f"Bearer token-{n}" for n in range(6)}


def test_the_report_is_read_from_between_other_lines() -> None:
    lines = ["Running 5s test", "fact acknowledged 990", "fact refused 10", "fact broken 0", "fact microseconds 500000"]
    report = wrk.parse([*lines, f"version {UUID(int=7)} 12", "status 412 10", "fact p50_us 1500", "fact p99_us 9000"])
    assert (report.versions, report.statuses) == ({UUID(int=7): 12}, {"412": 10})
    assert report.as_run() == wrk.Run(1980, 1.5, 9.0, 10, {"done": 990})


@pytest.mark.parametrize(("acknowledged", "refused", "broken"), [(989, 11, 0), (989, 0, 11), (0, 0, 0)])
def test_a_load_that_fails_too_often_or_does_nothing_is_no_result(acknowledged: int, refused: int, broken: int) -> None:
    facts = {"acknowledged": acknowledged, "refused": refused, "broken": broken, "microseconds": 10, "p50_us": 1, "p99_us": 1}
    with pytest.raises(LoadFailedError):
        Report(facts, {}, {}).as_run()


def test_silence_is_no_result() -> None:
    with pytest.raises(LoadFailedError):
        wrk.parse(["wrk: unable to connect"])
