"""What is asked: secrets go where they belong and nowhere else, and values are carried from step to step."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from keepwell.domains.monitors import examine
from keepwell.domains.monitors.models import Assertion, Basic, Extract, Http, Secrets, Step, Tcp
from keepwell.domains.monitors.rules.probes import carried, probe_of, step_probe
from keepwell.platform.probing import DnsProbe, HttpProbe, Observation, Probe, TcpProbe, TlsProbe
from tests.domains.monitors.support import monitor

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LOGIN = Step(
    "log in",
    "/login",
    Http("POST", {"Content-Type": "application/json"}, '{"pin": "{{pin}}"}'),
    (Assertion("status", "equals", 201),),
    (Extract("token", "json", "$.token"), Extract("visit", "header", "X-Visit")),
)
LOOK = Step("look", "/visits/{{visit}}?of={{pin}}", Http(headers={"Authorization": "Bearer {{token}}"}))
ELSEWHERE = Step("elsewhere", "https://other.example/{{visit}}")
SECRETS = Secrets(basic=Basic("probe", "word"), headers={"X-Key": "{{pin}}!"}, variables={"pin": "12/34"})
FLOW = monitor(kind="flow", target="https://portal.clinic.example/api/", steps=(LOGIN, LOOK, ELSEWHERE), secrets=SECRETS)


class Server:
    """Answers in order, and keeps what it was asked."""

    def __init__(self, *answers: Observation) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def ask(self, probe: Probe) -> Observation:
        self.asked.append(probe)
        return self.answers[len(self.asked) - 1]


def answered(status: int, document: Any = None, headers: Mapping[str, str] = {}, total: float = 10.0) -> Observation:
    return Observation(status=status, body=json.dumps(document).encode(), headers=headers, total_ms=total)


def test_a_monitor_that_asks_once_asks_by_its_kind():
    assert probe_of(monitor(kind="tcp", target="[2001:db8::1]:5432", tcp=Tcp("hello"), timeout_s=3)) == TcpProbe(
        "2001:db8::1", 5432, 3, b"hello"
    )
    assert probe_of(monitor(kind="tls", target="clinic.example", timeout_s=3)) == TlsProbe("clinic.example", 443, 3)
    assert probe_of(monitor(kind="dns", target="clinic.example", timeout_s=3)) == DnsProbe("clinic.example", "A", None, 3)
    with pytest.raises(ValueError, match="flow"):
        probe_of(FLOW)


@pytest.mark.parametrize("before", ["", "https://", "tls://"])
def test_a_target_may_be_written_as_an_address_of_its_kind(before: str):
    assert probe_of(monitor(kind="tls", target=f"{before}clinic.example:8443", timeout_s=3)) == TlsProbe(
        "clinic.example", 8443, 3
    )
    assert probe_of(monitor(kind="tcp", target="tcp://clinic.example:5432", timeout_s=3)) == TcpProbe("clinic.example", 5432, 3)


def test_secrets_are_put_into_the_request():
    said = monitor(target="https://portal.clinic.example/{{pin}}", secrets=SECRETS, http=Http(body="{{ pin }} {{other}}"))
    assert probe_of(said) == HttpProbe(
        url="https://portal.clinic.example/12%2F34",
        headers={"X-Key": "12/34!"},
        body=b"12/34 {{other}}",
        basic=("probe", "word"),
    )


async def test_a_flow_carries_values_on_and_proves_who_asks_to_its_own_origin_only():
    server = Server(answered(201, {"token": "abc"}, {"x-visit": "a/b"}), answered(200), answered(200, total=5.5))
    found = await examine(FLOW, server.ask, lambda: NOW)
    assert (found.verdict.up, found.observation.total_ms) == (True, 25.5)
    login, look, elsewhere = server.asked
    assert (login.url, login.body, login.basic) == (
        "https://portal.clinic.example/api/login",
        b'{"pin": "12/34"}',
        ("probe", "word"),
    )
    assert look.url == "https://portal.clinic.example/api/visits/a%2Fb?of=12%2F34"
    assert look.headers == {"Authorization": "Bearer abc", "X-Key": "12/34!"}
    assert (elsewhere.url, elsewhere.headers, elsewhere.basic) == ("https://other.example/a%2Fb", {}, None)


async def test_a_flow_ends_with_the_step_that_fails():
    server = Server(answered(500))
    found = await examine(FLOW, server.ask, lambda: NOW)
    assert (found.verdict.reason, found.verdict.detail) == ("status-failed", "step 1: status 500, wanted equals 201")
    assert len(server.asked) == 1
    found = await examine(FLOW, Server(answered(201, {"token": "abc"})).ask, lambda: NOW)
    assert (found.verdict.reason, found.verdict.detail) == ("value-missing", "step 1: nothing to carry on")


def test_what_a_target_says_ends_no_header():
    said = answered(201, {"token": "abc\r\nX-Evil: \u2603 1"}, {"x-visit": "v"})
    probe = step_probe(FLOW, LOOK, carried(LOGIN, said) or {})
    assert probe.headers["Authorization"] == "Bearer abcX-Evil:  1"
    assert carried(LOGIN, answered(201, {"token": "a" * 5_000}, {"x-visit": "v"})) is None


def test_nobody_asks_a_heartbeat():
    with pytest.raises(ValueError, match="heartbeat"):
        asyncio.run(examine(monitor(kind="heartbeat", target=""), Server().ask, lambda: NOW))
