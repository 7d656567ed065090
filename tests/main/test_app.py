"""What the composed application serves."""

import httpx

from keepwell.main.app import application
from keepwell.main.parts import Parts
from tests.main.conftest import log_in
from tests.support.problems import assert_refused

CONTRACT = {
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/logout"),
    ("GET", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions/{id}"),
    ("GET", "/v1/auth/me"),
    ("GET", "/v1/auth/login/diagnostic"),
    ("POST", "/v1/questionnaires"),
    ("GET", "/v1/questionnaires"),
    ("GET", "/v1/questionnaires/{id}"),
    ("PUT", "/v1/questionnaires/{id}"),
    ("POST", "/v1/questionnaires/{id}/publish"),
    ("POST", "/v1/questionnaires/{id}/retire"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses/{id}"),
    ("PATCH", "/v1/responses/{id}"),
    ("POST", "/v1/responses/{id}/rows"),
    ("POST", "/v1/responses/{id}/submit"),
    ("POST", "/v1/responses/{id}/amend"),
    ("GET", "/v1/responses/{id}/history"),
    ("GET", "/v1/responses/{id}/diff"),
    ("POST", "/v1/responses/$validate"),
    ("POST", "/v1/questionnaires/$validate"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/monitors"),
    ("GET", "/v1/monitors/{id}"),
    ("PATCH", "/v1/monitors/{id}"),
    ("DELETE", "/v1/monitors/{id}"),
    ("POST", "/v1/monitors/{id}/pause"),
    ("POST", "/v1/monitors/{id}/resume"),
    ("POST", "/v1/monitors/{id}/check"),
    ("GET", "/v1/monitors/{id}/results"),
    ("GET", "/v1/monitors/{id}/uptime"),
    ("GET", "/v1/monitors/{id}/anomalies"),
    ("POST", "/v1/heartbeats/{token}"),
    ("GET", "/v1/incidents"),
    ("GET", "/v1/incidents/{id}"),
    ("POST", "/v1/incidents/{id}/acknowledge"),
    ("POST", "/v1/incidents/{id}/resolve"),
    ("POST", "/v1/incidents/{id}/notes"),
    ("POST", "/v1/channels"),
    ("POST", "/v1/channels/{id}/test"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
}


async def test_each_mounted_route_is_in_the_document_and_the_contract_is_kept(parts: Parts, http: httpx.AsyncClient):
    document = (await http.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    mounted = {(endpoint.method, endpoint.path) for endpoint in application(parts).endpoints}
    assert described == mounted
    assert mounted >= CONTRACT


async def test_every_problem_a_route_declares_explains_itself(parts: Parts, http: httpx.AsyncClient):
    codes = {kind.code for endpoint in application(parts).endpoints for kind in endpoint.problems}
    for code in codes:
        assert (await http.get(f"/problems/{code}")).status_code == 200, code


async def test_every_route_that_is_not_public_wants_credentials(parts: Parts, http: httpx.AsyncClient):
    for endpoint in application(parts).endpoints:
        path = endpoint.path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057").replace("{", "").replace("}", "")
        if not endpoint.public:
            answer = await http.request(endpoint.method, path, json={})
            assert_refused(answer, 401, "unauthenticated")


async def test_the_demo_can_be_used_at_once(demo: None, http: httpx.AsyncClient):
    admin, clinician, patient = [await log_in(http, who) for who in ("admin", "clinician", "patient")]
    me = (await http.get("/v1/auth/me", headers=clinician)).json()
    assert me["clinic"]["slug"] == "demo"
    listed = (await http.get("/v1/questionnaires", headers=patient)).json()["items"]
    assert {each["title"].split(":")[0] for each in listed} == {"PHQ-9", "GAD-7", "Adult intake"}
    assert {each["status"] for each in listed} == {"active"}
    audited = (await http.get("/v1/audit", headers=admin)).json()["items"]
    assert any(item["action"] == "questionnaires.publish" for item in audited)


async def test_the_document_has_every_schema_it_names(http: httpx.AsyncClient):
    answer = await http.get("/openapi.json")
    names = {part.split('"')[0] for part in answer.text.split("#/components/schemas/")[1:]}
    assert names <= set(answer.json()["components"]["schemas"])
