"""Files of other programs: what each thing in them becomes, and that nothing is passed over without a word."""

import json
from typing import Any

import pytest

from keepwell.domains.monitors.models import (
    Assertion,
    Basic,
    ClientCertificate,
    Configuration,
    Dns,
    Extract,
    Heartbeat,
    Maintenance,
    Recurring,
    Secrets,
    Tcp,
    Tls,
)
from keepwell.domains.monitors.rules import importing, lifecycle, validity
from keepwell.domains.monitors.rules.importing import Found, System, UnreadableFileError
from keepwell.domains.monitors.rules.importing.conditions import UnsaidError, assertion_of

KUMA: dict[str, Any] = {
    "id": 1,
    "name": "Portal",
    "url": "https://portal.clinic.example/health",
    "method": "POST",
    "hostname": None,
    "port": None,
    "maxretries": 2,
    "weight": 2000,
    "active": 1,
    "type": "http",
    "interval": 60,
    "retryInterval": 30,
    "keyword": None,
    "expiryNotification": False,
    "ignoreTls": True,
    "upsideDown": False,
    "maxredirects": 0,
    "accepted_statuscodes": ["200-299", "404"],
    "dns_resolve_type": "A",
    "dns_resolve_server": "1.1.1.1",
    "proxyId": None,
    "notificationIDList": {"1": True},
    "tags": [{"name": "env", "value": "prod", "color": "#fff"}],
    "headers": '{"X-One": "1"}',
    "body": '{"a": 1}',
    "basic_auth_user": "probe",
    "basic_auth_pass": "word",
    "authMethod": "basic",
    "pushToken": None,
}


def read(system: System, *files: str) -> tuple[dict[str, Found], tuple[str, ...]]:
    """What is found by its key, every configuration one that can be stored."""
    reading = importing.read(system, files)
    for each in reading.found:
        if each.configuration is not None:
            assert validity.faults(lifecycle.normal(each.configuration), private=True) == (), each.key
    return {each.key: each for each in reading.found}, reading.left_out


def kuma(*monitors: dict[str, Any], **more: Any) -> tuple[dict[str, Found], tuple[str, ...]]:
    return read("uptime-kuma", json.dumps({"version": "1.23.16", "monitorList": [KUMA | each for each in monitors], **more}))


def made(found: Found) -> Configuration:
    assert found.configuration is not None, found.left_out
    return found.configuration


def test_a_web_monitor_of_uptime_kuma_is_carried_over_whole():
    found, left = kuma({})
    one = made(found["1"])
    assert (found["1"].left_out, left) == ((), ())
    assert (one.kind, one.target, one.interval_s, one.retries, one.retry_interval_s) == ("http", KUMA["url"], 60, 2, 30)
    assert one.assertions == (Assertion("status", "within", "200-299,404"),)
    assert (one.http.method, one.http.body, one.http.follow_redirects, one.http.verify) == ("POST", '{"a": 1}', False, False)
    assert one.http.headers == {"X-One": "1", "Content-Type": "application/json"}
    assert (one.secrets, one.tags) == (Secrets(Basic("probe", "word")), ("env: prod",))


def test_each_kind_of_uptime_kuma_becomes_what_is_like_it():
    found, _ = kuma(
        {"id": 10, "name": "Group", "type": "group"},
        {"id": 2, "type": "keyword", "keyword": "ready", "parent": 10, "active": False},
        {"id": 3, "type": "keyword", "keyword": "broken", "invertKeyword": True},
        {"id": 4, "type": "json-query", "jsonPath": "data[0].id", "expectedValue": "7"},
        {"id": 5, "type": "port", "hostname": "2001:db8::1", "port": 5432},
        {"id": 6, "type": "dns", "hostname": "clinic.example", "port": 53, "dns_resolve_type": "MX"},
        {"id": 7, "type": "push", "pushToken": "canary-token", "interval": 300, "maxretries": 1, "retryInterval": 60},
        {"id": 8, "type": "json-query", "jsonPath": "$sum(items.price)", "expectedValue": "7"},
        {"id": 9, "authMethod": "mtls", "tlsCert": None, "upsideDown": True, "proxyId": 4},
        {"id": 11, "type": "docker", "docker_container": "x"},
    )
    assert (found["2"].paused, made(found["2"]).group) == (True, "Group")
    assert made(found["2"]).assertions[-1] == Assertion("body", "contains", "ready")
    assert made(found["3"]).assertions[-1] == Assertion("body", "not-contains", "broken")
    assert made(found["4"]).assertions[-1] == Assertion("json", "equals", 7, "$.data[0].id")
    assert made(found["5"]).target == "[2001:db8::1]:5432"
    assert (made(found["6"]).target, made(found["6"]).dns) == ("clinic.example", Dns("MX", "1.1.1.1"))
    assert made(found["7"]).heartbeat == Heartbeat(period_s=300, grace_s=60)
    assert "canary-token" not in str(found["7"])
    assert [each.partition(":")[0] for each in found["8"].left_out] == ["jsonPath"]
    assert set(found["9"].left_out) == {"upsideDown", "proxyId"}
    assert (found["11"].configuration, found["11"].left_out) == (None, ("type docker",))
    assert "10" not in found


def test_what_a_backup_says_besides_monitors_is_told():
    _, left = kuma({}, notificationList=[{"id": 1}], proxyList=[])
    assert [each.partition(":")[0] for each in left] == ["notificationList"]


def test_a_client_certificate_of_uptime_kuma_goes_among_the_secrets():
    reading = importing.read(
        "uptime-kuma", [json.dumps({"monitorList": {"1": KUMA | {"authMethod": "mtls", "tlsCert": "c", "tlsKey": "k"}}})]
    )
    assert made(reading.found[0]).secrets == Secrets(client_certificate=ClientCertificate("c", "k"))


GATUS = """
x-shared: &shared
  interval: 2m
  client: {timeout: 3s, ignore-redirect: true, insecure: true}
storage: {type: memory}
alerting: {slack: {webhook-url: "https://hooks.example/x"}}
maintenance: {start: "23:00", duration: 1h30m, timezone: Europe/Berlin, every: [Monday, Thursday]}
endpoints:
  - <<: *shared
    name: portal
    group: core
    url: https://portal.clinic.example/api
    method: POST
    graphql: true
    body: "{ ok }"
    headers: {X-One: "1"}
    conditions:
      - "[STATUS] == any(200, 204)"
      - "[BODY].user.name == pat(j*n)"
      - "len([BODY].items) >= 2"
      - "[CERTIFICATE_EXPIRATION] > 36h"
    alerts: [{type: slack, failure-threshold: 5}]
  - {name: names, url: "9.9.9.9", dns: {query-name: clinic.example., query-type: AAAA}, conditions: ["[BODY] == pat(*:*)"]}
  - {name: database, url: "tcp://db.clinic.example:5432", conditions: ["[CONNECTED] == true"], enabled: false}
  - {name: secure, url: "tls://clinic.example:443", conditions: ["[CERTIFICATE_EXPIRATION] > 48h"]}
  - {name: ping, url: "icmp://clinic.example", conditions: ["[CONNECTED] == true"]}
  - {name: ours, url: "https://clinic.example", conditions: ["[DOMAIN_EXPIRATION] > 720h"]}
  - {name: key, url: "https://clinic.example", headers: {X-Key: "${API_KEY}"}, conditions: ["[STATUS] == 200"]}
  - name: odd
    url: "https://clinic.example"
    client: {proxy-url: "http://proxy"}
    conditions: ["[STATUS] == 200", "[IP] == 1.2.3.4"]
external-endpoints:
  - {name: export, group: nightly, token: canary, heartbeat: {interval: 30m}}
  - {name: silent, token: canary}
suites:
  - name: visit
    endpoints:
      - name: create
        url: "https://clinic.example/v"
        method: POST
        conditions: ["[STATUS] == 201"]
        store: {visit: "[BODY].id"}
      - {name: look, url: "https://clinic.example/v/[CONTEXT].visit", conditions: ["[STATUS] == 200"]}
"""


def test_endpoints_of_gatus_become_what_is_like_them():
    found, left = read("gatus", GATUS)
    portal = made(found["core/portal"])
    assert (portal.interval_s, portal.timeout_s, portal.retries) == (120, 3.0, 4)
    assert (portal.http.method, portal.http.body) == ("POST", '{"query":"{ ok }"}')
    assert (portal.http.follow_redirects, portal.http.verify) == (False, False)
    assert portal.assertions == (
        Assertion("status", "within", "200,204"),
        Assertion("json", "matches", "(?s)^j.*n$", "$.user.name"),
        Assertion("json-length", "above", 1, "$.items"),
        Assertion("certificate-days", "above", 1.5),
    )
    assert portal.maintenance == (Maintenance(recurring=Recurring("0 23 * * 1,4", "Europe/Berlin", duration_s=5_400)),)
    names = made(found["/names"])
    assert (names.kind, names.target, names.dns) == ("dns", "clinic.example", Dns("AAAA", "9.9.9.9"))
    assert (made(found["/database"]).target, found["/database"].paused) == ("db.clinic.example:5432", True)
    assert (made(found["/secure"]).kind, made(found["/secure"]).assertions[0].value) == ("tls", 2.0)
    assert made(found["nightly/export"]).heartbeat == Heartbeat(period_s=1_800, grace_s=30)
    assert set(left) == {"x-shared", "alerting"}


def test_a_suite_of_gatus_becomes_a_flow_that_carries_on_what_it_stores():
    visit = made(read("gatus", GATUS)[0]["/visit"])
    assert [(step.name, step.url) for step in visit.steps] == [
        ("create", "https://clinic.example/v"),
        ("look", "https://clinic.example/v/{{visit}}"),
    ]
    assert visit.steps[0].extract == (Extract("visit", "json", "$.id"),)


def test_what_gatus_watches_and_nothing_here_can_is_told_and_not_watched_half():
    found, _ = read("gatus", GATUS)
    untaken = {key: each.left_out for key, each in found.items() if each.configuration is None}
    assert set(untaken) == {"/ping", "/ours", "/key", "/silent"}
    assert untaken["/ours"] == ("conditions: [DOMAIN_EXPIRATION]",)
    assert untaken["/key"][0].startswith("API_KEY: ")
    assert found["/odd"].left_out == ("conditions: [IP]", "client.proxy-url")
    assert "canary" not in str(found)


CONDITIONS: list[tuple[str, Assertion | None]] = [
    ("[STATUS] == 200", Assertion("status", "equals", 200)),
    ("200 == [STATUS]", Assertion("status", "equals", 200)),
    ("400 > [STATUS]", Assertion("status", "below", 400)),
    ("[STATUS] <= 299", Assertion("status", "below", 300)),
    ("[RESPONSE_TIME] < 500", Assertion("latency", "below", 500)),
    ("[BODY] == hello", Assertion("body", "equals", "hello")),
    ("[BODY] == pat(*up?*)", Assertion("body", "matches", "(?s)up.")),
    ("[BODY].status != down", Assertion("json", "not-equals", "down", "$.status")),
    ("[BODY].count == 3", Assertion("json", "equals", 3, "$.count")),
    ("[BODY][0].id == any(1, two)", Assertion("json", "matches", "^(?:1|two)$", "$[0].id")),
    ("has([BODY].errors) == false", Assertion("json", "absent", None, "$.errors")),
    ("[CONNECTED] == true", None),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_a_condition_of_gatus_is_said_by_an_assertion(condition: str, expected: Assertion | None):
    assert assertion_of(condition, "http") == expected


@pytest.mark.parametrize(
    "condition", ["[IP] == 1.2.3.4", "[STATUS] == twohundred", "[BODY] < 3", "nothing", "[CONNECTED] == false"]
)
def test_a_condition_that_nothing_says_is_none(condition: str):
    with pytest.raises(UnsaidError):
        assertion_of(condition, "http")


BLACKBOX = """
modules:
  http_2xx:
    prober: http
    timeout: 5s
    http:
      preferred_ip_protocol: ip4
      valid_status_codes: [200, 301]
      method: POST
      headers: {Accept: text/html}
      fail_if_body_matches_regexp: ["Could not connect"]
      fail_if_header_not_matches: [{header: Content-Type, regexp: html}]
      tls_config: {insecure_skip_verify: true, ca_file: /x}
      basic_auth: {username: probe, password: word}
      proxy_url: http://proxy
  smtp: {prober: tcp, tcp: {query_response: [{expect: "^220"}, {send: QUIT}]}}
  tls: {prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  names:
    prober: dns
    dns: {query_name: clinic.example, query_type: MX, validate_answer_rrs: {fail_if_none_matches_regexp: ["mail"]}}
  icmp: {prober: icmp}
  unused: {prober: http}
"""
PROMETHEUS = """
global: {scrape_interval: 30s, evaluation_interval: 15s}
scrape_configs:
  - {job_name: node, static_configs: [{targets: ["localhost:9100"]}]}
  - job_name: web
    metrics_path: /probe
    params: {module: [http_2xx]}
    scrape_interval: 15s
    static_configs:
      - {targets: ["https://clinic.example", "clinic.example/health"], labels: {env: prod}}
      - {targets: ["mail.clinic.example:25"], labels: {__param_module: smtp}}
      - {targets: ["clinic.example:636"], labels: {__param_module: tls}}
      - {targets: ["9.9.9.9"], labels: {__param_module: names}}
      - {targets: ["192.0.2.1"], labels: {__param_module: icmp}}
      - {targets: ["192.0.2.1"], labels: {__param_module: gone}}
    relabel_configs: [{source_labels: [__address__], target_label: __param_target}]
    file_sd_configs: [{files: ["x.yml"]}]
"""


def test_targets_probed_by_modules_of_blackbox_exporter_become_monitors():
    found, left = read("blackbox", PROMETHEUS, BLACKBOX)
    web = made(found["web|http_2xx|clinic.example/health"])
    assert (web.target, web.interval_s, web.timeout_s, web.tags) == ("http://clinic.example/health", 15, 5.0, ("env: prod",))
    assert web.secrets == Secrets(Basic("probe", "word"))
    assert web.assertions == (
        Assertion("status", "within", "200,301"),
        Assertion("body", "not-matches", "Could not connect"),
        Assertion("header", "matches", "html", "Content-Type"),
    )
    assert set(found["web|http_2xx|clinic.example/health"].left_out) == {"tls_config.ca_file", "http.proxy_url"}
    mail = made(found["web|smtp|mail.clinic.example:25"])
    assert (mail.kind, mail.tcp, mail.assertions) == ("tcp", Tcp("QUIT\n"), (Assertion("body", "matches", "(?m)^220"),))
    assert (made(found["web|tls|clinic.example:636"]).kind, made(found["web|tls|clinic.example:636"]).tls) == (
        "tls",
        Tls(verify=False),
    )
    names = made(found["web|names|9.9.9.9"])
    assert (names.target, names.dns, names.assertions) == (
        "clinic.example",
        Dns("MX", "9.9.9.9"),
        (Assertion("record", "matches", "mail"),),
    )
    assert [found[f"web|{module}|192.0.2.1"].configuration for module in ("icmp", "gone")] == [None, None]
    assert [each.partition(":")[0] for each in left] == ["node", "web", "modules.unused"]


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "- " * 200_000, "{a: " * 100_000, "? " * 100_000, "a: [", "a: !!python/object/apply:os.getcwd []", "\x00"],
)
def test_a_file_that_is_none_is_refused_and_ends_nothing(text: str):
    for system in ("gatus", "blackbox", "uptime-kuma"):
        with pytest.raises(UnreadableFileError):
            importing.read(system, [text])


def test_merges_that_double_stop_somewhere():
    levels = "".join(f"l{level}: &l{level}\n  <<: [*l{level - 1}, *l{level - 1}]\n" for level in range(1, 40))
    with pytest.raises(UnreadableFileError, match="merging"):
        importing.read("gatus", [f"l0: &l0 {{a: 1, b: 2}}\n{levels}"])


def test_what_is_named_twice_is_taken_once():
    found, left = read("gatus", GATUS, GATUS)
    assert len(found) == len(read("gatus", GATUS)[0])
    assert "portal: named twice, taken once" in left
