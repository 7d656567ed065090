"""The document against the running server: what it allows works as described, what it forbids is refused, nothing is a 500."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.load import PASSWORD
from tests.support.problems import assert_refused
from tests.support.server import Server, running

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
WAYS_OUT = ("/v1/auth/logout", "/v1/auth/sessions/{id}", "/v1/policy/login")
"""What ends the session that tests, or asks for more at the next login: tried last."""
ENDLESS = ("/v1/responses/{id}/events", "/v1/batches/{id}/events")
"""What goes on while there is something to tell: tests/domains/live and tests/domains/enrollment listen."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: accounts are disabled and forms retired here, as the document allows. Its mail goes nowhere."""
    with running(tmp_path_factory.mktemp("openapi") / "data", settings={"smtp_url": "smtp://127.0.0.1:9"}) as server:
        yield server


def token(server: Server, email: str = "admin@demo.test") -> str:
    answer = httpx.post(f"{server.base}/v1/auth/login", json={"email": email, "password": PASSWORD})
    return answer.raise_for_status().json()["access_token"]


@pytest.mark.timeout(240)
def test_what_the_document_says_is_what_the_server_does(server: Server, tmp_path: Path):
    without = [word for path in (*WAYS_OUT, *ENDLESS) for word in ("--exclude-path", path)]
    hold(server, tmp_path, *without)


def test_the_ways_out_do_what_the_document_says(server: Server, tmp_path: Path):
    hold(server, tmp_path, *(word for path in WAYS_OUT for word in ("--include-path", path)))


def hold(server: Server, folder: Path, *options: str) -> None:
    """Runs schemathesis with an administrator's token."""
    command: list[str | Path] = [SCHEMATHESIS, "--no-color", "--config-file", CONFIGURATION, "run", f"{server.base}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--header", f"Authorization: Bearer {token(server)}"]
    command += ["--continue-on-failure", "--warnings", "off", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert "generated" in done.stdout


def test_each_path_takes_the_methods_the_document_gives_it_and_no_other(server: Server):
    document: dict[str, Any] = httpx.get(f"{server.base}/openapi.json").raise_for_status().json()
    with httpx.Client(base_url=server.base) as client:
        for template, methods in document["paths"].items():
            path = filled(template)
            allowed: set[str] = {method.upper() for method in methods} | {"OPTIONS", *(["HEAD"] if "get" in methods else [])}
            told = client.options(path)
            assert told.status_code == 204
            assert set(told.headers["Allow"].split(", ")) == allowed, template
            for method in {"GET", "PUT", "POST", "PATCH", "DELETE"} - allowed:
                assert_refused(client.request(method, path), 405, "method-not-allowed")


def filled(template: str) -> str:
    """A path that names nothing, but for a problem and a flag."""
    places = {"id": str(uuid4()), "row": str(uuid4()), "code": "not-found", "vid": "1", "event": "x", "key": "merge-by-default"}
    for name, value in places.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def test_bodies_are_closed(server: Server):
    """Every shape a body can have forbids what it does not name, but for FHIR resources, which have rules of their own, and
    reports of leaks, whose form is the reporter's.
    """
    document: dict[str, Any] = httpx.get(f"{server.base}/openapi.json").raise_for_status().json()
    schemas = document["components"]["schemas"]
    bodies = {
        path: next(iter(operation["requestBody"]["content"].values()))["schema"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "requestBody" in operation
    }
    open_ones = {
        path
        for path, schema in bodies.items()
        if schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get("additionalProperties") is not False
    }
    forms = {"/v1/questionnaires", "/v1/questionnaires/{id}", "/v1/questionnaires/$validate"}
    types = [f"/fhir/R4/{name}" for name in ("Questionnaire", "QuestionnaireResponse", "Patient")]
    resources = {f"{path}{tail}" for path in types for tail in ("", "/{id}", "/$validate")}
    others = {"/v1/responses/$validate", "/v1/programs/{id}/batches", "/fhir/R4", "/fhir/R4/", "/v1/keys/leaks"}
    assert open_ones == forms | others | resources
