"""Who uses the old door is counted, and the door can be closed."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from keepwell.domains.graphql.models import SUNSET
from keepwell.domains.responses import ResponseService
from keepwell.kernel import Kernel, seen
from keepwell.kernel.seen import OUTCOMES
from keepwell.kit.ids import new_id
from tests.domains.graphql.conftest import codes, data, refused
from tests.support.clinic import Clinic
from tests.support.problems import assert_problem

ADMIN = ("user/*.cruds",)


async def usage(clinic: Clinic, **query: Any) -> dict[str, Any]:
    assert await clinic.kernel.tally.flush()
    answer = await clinic.http.get("/v1/legacy/usage", params=query, headers=clinic.acting("admin", ADMIN))
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(name: str, operation: str) -> float:
    return REGISTRY.get_sample_value(f"keepwell_{name}_total", {"operation": operation}) or 0.0


async def test_use_is_counted_by_operation_and_client(clinic: Clinic):
    one, two = clinic.acting("one"), clinic.acting("two")
    first = clinic.clock.now()
    data(await clinic.graphql("{ responses { next } again: responses { next } }", {}, **one))
    clinic.clock.advance(days=3)
    data(await clinic.graphql("{ responses { next } }", {}, **one))
    assert codes(await clinic.graphql('mutation { submitResponse(id: "x") { id } }', {}, **two)) == ["not-found"]
    refused(await clinic.graphql("{ responses { nonsense } }", {}, **two), 400, "query-invalid")
    told = await usage(clinic)
    assert (told["next"], told["sunset"], told["guide"]) == (None, "2027-06-30T00:00:00Z", "/docs/graphql-migration")
    assert told["items"] == [
        {
            "operation": "responses",
            "client": str(clinic.actors["Bearer one"].id),
            "count": 3,
            "first_at": first.isoformat().replace("+00:00", "Z"),
            "last_at": clinic.clock.now().isoformat().replace("+00:00", "Z"),
            "replaced_by": "GET /v1/responses",
        },
        {
            "operation": "submitResponse",
            "client": str(clinic.actors["Bearer two"].id),
            "count": 1,
            "first_at": clinic.clock.now().isoformat().replace("+00:00", "Z"),
            "last_at": clinic.clock.now().isoformat().replace("+00:00", "Z"),
            "replaced_by": "POST /v1/responses/{id}/submit",
        },
    ]


async def test_the_list_comes_in_parts(clinic: Clinic):
    for name in "abc":
        data(await clinic.graphql("{ responses { next } questionnaires { next } }", {}, **clinic.acting(name)))
    found, cursor = list[tuple[str, str]](), None
    while True:
        part = await usage(clinic, limit=4, **({"cursor": cursor} if cursor else {}))
        found += [(use["operation"], use["client"]) for use in part["items"]]
        cursor = part["next"]
        if cursor is None:
            break
    assert len(found) == 6
    assert found == sorted(found)


async def test_the_use_of_others_clinics_is_not_shown(clinic: Clinic):
    data(await clinic.graphql("{ responses { next } }", {}, **clinic.acting("stranger", tenant=new_id())))
    assert (await usage(clinic))["items"] == []


async def test_only_administrators_see_who_uses_it(clinic: Clinic):
    assert_problem(await clinic.http.get("/v1/legacy/usage"), 403, "forbidden")


async def test_operations_are_counted_for_operators_and_after_the_sunset_apart(clinic: Clinic):
    before = counted("legacy_operations", "responses"), counted("legacy_operations_after_sunset", "responses")
    data(await clinic.graphql("{ r: responses { next } }"))
    assert counted("legacy_operations", "responses") - before[0] == 1
    assert counted("legacy_operations_after_sunset", "responses") == before[1]
    clinic.clock.set(SUNSET)
    data(await clinic.graphql("{ r: responses { next } }"))
    assert counted("legacy_operations", "responses") - before[0] == 2
    assert counted("legacy_operations_after_sunset", "responses") - before[1] == 1


async def test_a_closed_door_says_where_to_go(clinic: Clinic):
    clinic.legacy = False
    for query in ("{ responses { next } }", "{ __typename }", "{ nonsense"):
        error = refused(await clinic.graphql(query), 410, "legacy-door-closed")
        assert error["extensions"]["guide"] == "/docs/graphql-migration"
    clinic.legacy = True
    assert data(await clinic.graphql("{ __typename }", {}, **clinic.acting("reader", ("user/Organization.r",))))


async def test_what_befalls_the_whole_request_is_its_status(clinic: Clinic, database_gone: Kernel):
    del database_gone
    query = "{ responses { next } questionnaires { next } }"
    answer = await clinic.graphql(query)
    error = refused(answer, 503, "temporarily-unavailable")
    assert int(answer.headers["Retry-After"]) == error["extensions"]["retry_after"] >= 1


async def test_a_fault_of_ours_in_a_part_counts_for_the_flags_that_were_seen(clinic: Clinic, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: Any, **__: Any) -> Any:
        seen.note(clinic.tenant, "some-flag", on=True)
        raise RuntimeError

    monkeypatch.setattr(ResponseService, "history", broken)
    answer = await clinic.graphql(f'{{ history(id: "{new_id()}") {{ next }} responses {{ next }} }}')
    assert answer.status_code == 200
    assert await clinic.kernel.tally.flush()
    rows = await clinic.stored("SELECT labels FROM tally WHERE tenant_id = $1 AND name = $2", clinic.tenant, OUTCOMES.name)
    assert rows == [(["some-flag", "on", "error"],)]
