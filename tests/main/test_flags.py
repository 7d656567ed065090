"""The flags the program uses, in the whole application: what each does, on whichever process it is asked."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import msgspec
import pytest

from keepwell.domains.flags.service import orders
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.flags import FLAGS
from keepwell.main.parts import Parts
from keepwell.main.periodic import run_once, works
from keepwell.platform.settings import ProcessKind, Settings
from tests.main.conftest import log_in
from tests.support.cluster import Cluster
from tests.support.forms import form, item
from tests.support.http_server import serving
from tests.support.problems import assert_problem
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

QUERY = {"query": "{ responses { next } }"}
ORIGIN = Origin("test", "flags-test")
REASON = {"reason": "a test"}


@pytest.fixture
async def nodes(demo: None, chosen: Settings, addresses: Addresses) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two processes on one database and one Valkey, both as the administrator of the demo clinic."""
    async with AsyncExitStack() as stack:
        yield [await node(stack, chosen, addresses) for _ in range(2)]


async def node(stack: AsyncExitStack, chosen: Settings, addresses: Addresses) -> httpx.AsyncClient:
    parts = Parts(chosen, addresses, ProcessKind.API)
    base = await stack.enter_async_context(serving(application(parts)))
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=15))

    async def hears() -> bool:
        return parts.bus.well

    await eventually_async(hears)
    http.headers.update(await log_in(http, "admin"))
    return http


async def closed(http: httpx.AsyncClient) -> bool:
    answer = await http.post("/graphql", json=QUERY)
    assert answer.status_code in (200, 410), answer.text
    return answer.status_code == 410


async def test_the_legacy_door_is_closed_and_opened_on_every_process_at_once(nodes: list[httpx.AsyncClient]):
    here, there = nodes
    assert [await closed(each) for each in nodes] == [False, False]
    assert (await here.post("/v1/flags/legacy-graphql/kill", json=REASON)).status_code == 200
    assert await closed(here), "from the next request on where it was done"
    await eventually_async(lambda: closed(there), 2)
    answer = await there.post("/graphql", json=QUERY)
    [error] = answer.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["guide"]) == ("legacy-door-closed", "/docs/graphql-migration")
    assert (await there.get("/docs/graphql-migration")).status_code == 200
    assert (await there.post("/v1/flags/legacy-graphql/restore", json=REASON)).status_code == 200
    assert not await closed(there)


async def test_without_valkey_it_is_closed_within_seconds(
    demo: None, chosen: Settings, addresses: Addresses, cluster: Cluster, valkey_url: str
):
    with Proxy.to_valkey(cluster.servers.valkey_url) as proxy:
        behind = msgspec.structs.replace(addresses, valkey=proxy.valkey_url(valkey_url))
        async with AsyncExitStack() as stack:
            here, there = await node(stack, chosen, behind), await node(stack, chosen, behind)
            assert not await closed(there)
            proxy.cut()
            assert (await here.post("/v1/flags/legacy-graphql/kill", json=REASON)).status_code == 200
            started = time.monotonic()
            await eventually_async(lambda: closed(there))
            assert time.monotonic() - started < 5


async def test_merging_by_default_is_switched_on_for_whom_the_flag_says(nodes: list[httpx.AsyncClient]):
    http = nodes[0]
    questionnaire = (await http.post("/v1/questionnaires", json=form(item("a"), item("b"), url="urn:merge"))).json()["id"]
    id_ = (await http.post("/v1/responses", json={"questionnaire": questionnaire})).json()["id"]

    async def change(answers: dict[str, Any]) -> httpx.Response:
        return await http.patch(f"/v1/responses/{id_}", json={"answers": answers}, headers={"if-match": '"1"'})

    assert (await change({"a": "theirs"})).status_code == 200
    assert_problem(await change({"b": "yours"}), 412, "version-conflict")
    cohort = {"cohorts": {"administrators": {"roles": ["admin"]}}}
    assert (await http.put("/v1/flags/merge-by-default", json=cohort, headers={"if-match": '"0"'})).status_code == 200
    assert (await change({"b": "yours"})).json()["merged"] is True
    others = await http.post("/v1/flags/merge-by-default/evaluate", json={"targeting_key": "x", "roles": ["clinician"]})
    assert others.json()["value"] is False


async def test_replicas_are_asked_as_the_flag_says(demo: None, parts: Parts):
    async with parts.running():
        clinic = await parts.rooms.tenants.find("demo", ORIGIN)
        assert clinic is not None
        who = operator(clinic.id)
        spreads = parts.kernel._looker.spreads
        assert await spreads(who)
        service = parts.rooms.flags
        declared = service.keeper.known("replica-reads")
        [outcome] = await service.order([clinic.id], lambda tenant: orders.killing(tenant, declared, "a test"), ORIGIN)
        assert outcome.refusal is None
        assert not await spreads(who)


async def test_the_workers_duties_of_flags_and_counts_run(demo: None, parts: Parts):
    async with parts.running():
        duties = {work.name: work for work in works(parts)}
        for name in ("steer-rollouts", "purge-tallies"):
            assert await run_once(duties[name])


def test_every_flag_is_described_and_its_key_can_stand_in_an_address():
    for flag in FLAGS:
        assert flag.description.endswith(".")
        assert flag.key.replace("-", "").isalpha()
        assert flag.default in flag.variants
    assert len({flag.key for flag in FLAGS}) == len(FLAGS)
