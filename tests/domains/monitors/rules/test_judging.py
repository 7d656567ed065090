"""What an answer is worth."""

import json
import operator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.monitors import judge
from keepwell.domains.monitors.models import Assertion, Step
from keepwell.domains.monitors.rules import assertions, paths
from keepwell.domains.monitors.rules.judging import judge_step
from keepwell.platform.probing import Observation
from tests.domains.monitors.support import monitor

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
BODY = json.dumps({"status": "ok", "items": [{"id": 1}, {"id": "two"}], "on": True, "none": None, "a b": {"c.d": 0.5}}).encode()
SEEN = Observation(
    status=200,
    headers={"content-type": "application/json"},
    body=BODY,
    total_ms=120.4,
    certificate_expires=NOW + timedelta(days=20, hours=1),
)


def verdict(*wanted: Assertion, seen: Observation = SEEN, **more: Any) -> tuple[bool, str | None]:
    found = judge(monitor(assertions=wanted, **more), seen, NOW)
    return found.up, found.reason


HOLDS: list[tuple[str, str, Any, str]] = [
    ("status", "equals", 200, ""),
    ("status", "within", "100-199,200,300-302", ""),
    ("status", "below", 300, ""),
    ("header", "contains", "json", "Content-Type"),
    ("header", "absent", None, "x-gone"),
    ("body", "contains", '"ok"', ""),
    ("body", "matches", r'"status":\s*"ok"', ""),
    ("body", "not-matches", "error|down", ""),
    ("json", "equals", "ok", "$.status"),
    ("json", "equals", 1, "$.items[0].id"),
    ("json", "equals", "two", "$['items'][-1][\"id\"]"),
    ("json", "equals", True, "$.on"),
    ("json", "equals", None, "$.none"),
    ("json", "present", None, "$.none"),
    ("json", "absent", None, "$.gone.deeper[3]"),
    ("json", "below", 1, "$['a b']['c.d']"),
    ("json", "contains", "two", "$.items"),
    ("json-length", "equals", 2, "$.items"),
    ("json-length", "above", 1, "$.status"),
    ("latency", "below", 121, ""),
    ("certificate-days", "above", 19, ""),
]
FAILS: list[tuple[str, str, Any, str]] = [
    ("status", "equals", 201, ""),
    ("status", "within", "300-399", ""),
    ("header", "present", None, "x-gone"),
    ("header", "not-contains", "text", "x-gone"),
    ("body", "matches", "^ok$", ""),
    ("json", "equals", 1, "$.on"),
    ("json", "equals", "1", "$.items[0].id"),
    ("json", "not-equals", "down", "$.gone"),
    ("json", "above", 0, "$.on"),
    ("json-length", "equals", 0, "$.on"),
    ("latency", "above", 121, ""),
    ("certificate-days", "above", 20.5, ""),
]


@pytest.mark.parametrize(("on", "compare", "value", "name"), HOLDS)
def test_what_holds_is_up(on: Any, compare: Any, value: Any, name: str):
    assert verdict(Assertion(on, compare, value, name)) == (True, None)


@pytest.mark.parametrize(("on", "compare", "value", "name"), FAILS)
def test_what_does_not_hold_is_down_and_says_which(on: Any, compare: Any, value: Any, name: str):
    assert verdict(Assertion(on, compare, value, name)) == (False, f"{on}-failed")


def test_without_a_word_about_the_status_an_answer_has_to_be_a_success():
    refused = Observation(status=503, body=b"canary")
    found = judge(monitor(), refused, NOW)
    assert (found.up, found.reason, found.detail) == (False, "status-failed", "status 503, wanted within 200-299")
    assert verdict(Assertion("status", "equals", 503), seen=refused) == (True, None)


def test_a_transport_that_failed_is_told_by_its_own_word():
    assert verdict(seen=Observation("tls-failed")) == (False, "tls-failed")
    assert verdict(seen=Observation("unreachable")) == (False, "unreachable")


def test_records_and_certificates_are_wanted_where_nothing_else_is_said():
    named = {"kind": "dns", "target": "clinic.example"}
    found = Observation(answers=("192.0.2.1", "192.0.2.2"))
    assert verdict(seen=found, **named) == (True, None)
    assert verdict(seen=Observation(), **named) == (False, "record-failed")
    assert verdict(Assertion("record", "equals", "192.0.2.2"), seen=found, **named) == (True, None)
    assert verdict(Assertion("record", "not-equals", "192.0.2.2"), seen=found, **named) == (False, "record-failed")
    expired = Observation(certificate_expires=NOW - timedelta(seconds=1))
    secure = {"kind": "tls", "target": "clinic.example"}
    assert verdict(seen=expired, **secure) == (False, "certificate-days-failed")
    assert verdict(seen=Observation(certificate_expires=NOW + timedelta(seconds=1)), **secure) == (True, None)


def test_each_step_of_a_flow_is_judged_by_its_own():
    step = Step("log in", "/login", assertions=(Assertion("status", "equals", 302),))
    flow = monitor(kind="flow", steps=(step,))
    assert judge_step(flow, step, Observation(status=302), NOW).up
    assert not judge_step(flow, step, SEEN, NOW).up
    assert judge_step(flow, Step("next", "/"), SEEN, NOW).up


ASSERTIONS = st.builds(
    Assertion,
    on=st.sampled_from(["status", "header", "body", "json", "json-length", "latency", "certificate-days", "record"]),
    compare=st.sampled_from(
        ["equals", "not-equals", "contains", "not-contains", "matches", "not-matches", "below", "above", "within", "present"]
    ),
    value=st.none() | st.booleans() | st.integers(-5, 600) | st.floats() | st.text(max_size=5) | st.just("200-299"),
    name=st.sampled_from(["$", "$.a", "$[0]", "$.a[0]['b']", "x-name", "$.", ""]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)
ANSWERS = st.builds(
    Observation,
    error=st.none() | st.sampled_from(["timed-out", "refused"]),
    status=st.none() | st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from(["x-name", "$"]), st.text(max_size=3), max_size=2),
    body=st.binary(max_size=20) | JSON.map(lambda document: json.dumps(document).encode()),
    total_ms=st.floats(0, 1e6),
    certificate_expires=st.none() | st.datetimes(timezones=st.just(UTC)),
    answers=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)


@given(ASSERTIONS, ANSWERS, st.sampled_from(["http", "tcp", "dns", "tls"]))
def test_whatever_is_asserted_and_answered_there_is_a_verdict(assertion: Assertion, seen: Observation, kind: Any):
    if any(assertions.faults(assertion, kind, "")):
        return
    found = judge(monitor(kind=kind, assertions=(assertion,)), seen, NOW)
    assert found.up == (found.reason is None)
    assert not (found.up and not seen.ok_transport)


@given(JSON, st.lists(st.sampled_from(["a", "b", 0, -1]), max_size=4))
def test_a_path_finds_what_stepping_by_hand_finds(document: Any, way: list[str | int]):
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)
    expected: Any = document
    for step in way:
        try:
            wanted: Any = list if isinstance(step, int) else dict
            expected = operator.getitem(expected, step) if isinstance(expected, wanted) else paths.ABSENT
        except (IndexError, KeyError):
            expected = paths.ABSENT
    assert paths.at(document, path) is expected


@pytest.mark.parametrize("path", ["", "a", "$.", "$..a", "$[*]", "$[1:2]", "$.a b", "$['a]", "$" + ".a" * 300])
def test_what_names_more_than_one_place_or_none_is_no_path(path: str):
    with pytest.raises(paths.PathError):
        paths.steps(path)


def test_a_pattern_that_others_take_ages_for_takes_no_time_and_one_that_looks_around_is_none():
    slow = Observation(status=200, body=b"a" * 65_536)
    assert verdict(Assertion("body", "not-matches", "(a+)+$x", ""), seen=slow) == (True, None)
    for pattern in ("(?=a)", r"(a)\1", "(", "a" * 2_000):
        assert any(assertions.faults(Assertion("body", "matches", pattern), "http", ""))
