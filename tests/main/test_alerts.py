"""The alerts we publish for Prometheus: well formed, and of metrics that there are."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY

from keepwell.kernel.problems import SHARED
from keepwell.main import serve

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in DOCUMENT["groups"] for rule in group["rules"]]
_METRIC = re.compile(r"\b((?:keepwell|process)_[a-z_]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r'([a-z_]+)\s*(?:=~?|!=)\s*"([^"]*)"')
_DURATION = re.compile(r"\d+[smhd]")


def named(rule: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """The metrics in a rule, each with the labels it is asked for."""
    return [(name, dict(_LABEL.findall(labels))) for name, labels in _METRIC.findall(rule["expr"])]


def test_every_alert_has_a_tier_a_sentence_and_a_page_that_is_there():
    assert DOCUMENT.keys() == {"groups"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "runbook"}
        assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule["alert"]
        assert "for" not in rule or _DURATION.fullmatch(rule["for"]), rule["alert"]
        assert all(rule["expr"].count(left) == rule["expr"].count(right) for left, right in ("()", "[]", "{}")), rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_has_the_labels_it_is_asked_for(rule: dict[str, Any]):
    assert serve is not None  # what a process is made of declares its metrics when it is imported
    collectors: dict[str, Any] = REGISTRY._names_to_collectors  # pyright: ignore[reportPrivateUsage]
    assert named(rule)
    for name, labels in named(rule):
        assert name in collectors, name
        assert labels.keys() <= set(getattr(collectors[name], "_labelnames", ())), name


def test_outcomes_of_commands_are_codes_of_problems():
    codes = {kind.code for kind in SHARED} | {"replayed"}
    asked = [labels["outcome"] for rule in RULES for name, labels in named(rule) if name == "keepwell_commands_total" and labels]
    assert {code for outcome in asked for code in outcome.split("|")} <= codes


async def test_every_metric_that_an_alert_names_is_told_by_the_server(http: httpx.AsyncClient):
    told = set(re.findall(r"^# TYPE (\S+) ", (await http.get("/metrics")).text, re.MULTILINE))
    asked = {name for rule in RULES for name, _ in named(rule)}
    assert asked - told == set()


async def test_a_request_from_a_clock_that_is_far_off_is_counted(http: httpx.AsyncClient):
    def counted(source: str) -> float:
        return REGISTRY.get_sample_value("keepwell_skewed_timestamps_total", {"source": source}) or 0.0

    before = (counted("client"), counted("file"))
    await http.get(
        "/health/live", headers={"Date": "Tue, 15 Nov 1994 08:12:31 GMT", "Last-Modified": "Fri, 31 Dec 2199 23:59:59 GMT"}
    )
    await http.get("/health/live", headers={"Date": "no date", "Last-Modified": "Tue, 15 Nov 1994 08:12:31 GMT"})
    assert (counted("client"), counted("file")) == (before[0] + 1, before[1] + 1)
