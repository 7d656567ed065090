"""Uptime Kuma's backup: a JSON file with `monitorList`, as version 1 writes it and version 2 still gives it to its clients."""

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from keepwell.domains.monitors.models import (
    Assertion,
    Basic,
    ClientCertificate,
    Comparison,
    Configuration,
    Dns,
    Heartbeat,
    Http,
    Scalar,
    Secrets,
)
from keepwell.domains.monitors.rules import paths
from keepwell.domains.monitors.rules.importing.reading import Fields, Found, Reading, UnreadableFileError, from_json, named, whole
from keepwell.domains.monitors.rules.validity import SHORTEST_S

_MEANINGLESS = (
    "id",
    "weight",
    "forceInactive",
    "description",
    "pathName",
    "path",
    "childrenIDs",
    "dns_last_result",
    "maintenance",
    "notificationIDList",
    "screenshot",
    "includeSensitiveData",
    "packetSize",
    "cacheBust",
    "resendInterval",
    "userId",
    "user_id",
    "httpBodyEncoding",
    "authMethod",
    "conditions",
    "kafkaProducerSaslOptions",
    "kafkaProducerBrokers",
    "gamedigGivenPortOnly",
    "snmpVersion",
    "mqttCheckType",
    "rabbitmqNodes",
    "ipFamily",
    "ping_count",
    "ping_numeric",
    "ping_per_request_timeout",
    "expiryNotification",
    "domainExpiryNotification",
    "retryOnlyOnStatusCodeFailure",
    "responseMaxLength",
    "maxredirects",
    "dns_resolve_type",
    "dns_resolve_server",
    "accepted_statuscodes",
    "jsonPath",
    "jsonPathOperator",
    "expectedValue",
    "url",
    "method",
    "timeout",
    "subtype",
    "location",
    "protocol",
    "wsIgnoreSecWebsocketAcceptHeader",
    "wsSubprotocol",
    "remote_browser",
    "grpcEnableTls",
    "saveResponse",
    "saveErrorResponse",
)
"""What every monitor of the file has, whether it means anything for its type or not. What is taken is taken besides."""
_RECORDS = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT", "CAA", "PTR")
_OPERATORS: Mapping[str, Comparison] = {"==": "equals", "!=": "not-equals", ">": "above", "<": "below", "contains": "contains"}
_TAKEN_BY: Mapping[str, tuple[Literal["http", "tcp", "dns", "heartbeat"], str]] = {
    "http": ("http", ""),
    "keyword": ("http", "keyword"),
    "json-query": ("http", "json"),
    "port": ("tcp", ""),
    "dns": ("dns", ""),
    "push": ("heartbeat", ""),
}


def read(text: str) -> Reading:
    """What a backup watches.

    Raises:
        UnreadableFileError: it is none.
    """
    document = Fields(from_json(text))
    listed = document.take("monitorList")
    monitors = list(cast("dict[str, Any]", listed).values()) if isinstance(listed, dict) else listed
    if not isinstance(monitors, list):
        raise UnreadableFileError("A backup of Uptime Kuma has a monitorList.")
    fields = [Fields(each) for each in cast("list[Any]", monitors)]
    groups = {each.text("id"): each.text("name") for each in fields if each.text("type") == "group"}
    document.ignore("version")
    left = [f"{name}: channels and other things besides monitors are set up here anew" for name in document.left()]
    found = [_found(each, groups) for each in fields if each.text("type") != "group"]
    return Reading(tuple(found), tuple(left))


def _found(fields: Fields, groups: Mapping[str, str]) -> Found:
    key, name, type_ = fields.text("id"), fields.text("name"), fields.text("type")
    if not key or type_ not in _TAKEN_BY:
        return Found(key or name, name, None, (f"type {type_[:50] or '?'}",))
    kind, _ = _TAKEN_BY[type_]
    left: list[str] = []
    configuration = Configuration(
        name=name,
        kind=kind,
        target=_target(fields, kind),
        interval_s=whole(fields.number("interval", 60), SHORTEST_S),
        timeout_s=_timeout(fields),
        retries=int(min(fields.number("maxretries", 0), 20)),
        retry_interval_s=whole(fields.number("retryInterval", 60), 1),
        regions=("default",),
        quorum=None,
        assertions=_assertions(fields, type_, left) if kind == "http" else (),
        priority="normal",
        severity="critical",
        http=_http(fields, left) if kind == "http" else Http(),
        dns=_dns(fields, left) if kind == "dns" else Dns(),
        heartbeat=_heartbeat(fields, left) if kind == "heartbeat" else None,
        secrets=_secrets(fields, left) if kind == "http" else Secrets(),
        group=groups.get(fields.text("parent"), "")[:100],
        tags=_tags(fields),
    )
    paused = not fields.flag("active", usual=True)
    fields.ignore(*_MEANINGLESS)
    return Found(key, name, configuration, (*left, *fields.left()), paused)


def _target(fields: Fields, kind: str) -> str:
    host, port = fields.text("hostname"), fields.text("port")
    if kind == "http":
        return fields.text("url")
    if kind == "tcp":
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return host if kind == "dns" else ""


def _timeout(fields: Fields) -> float:
    usual = min(fields.number("interval", 60) * 0.8, 48)
    return max(0.1, min(fields.number("timeout", 0) or usual, 120))


def _http(fields: Fields, left: list[str]) -> Http:
    headers = _headers(fields, left)
    body = fields.text("body") or None
    if body is not None and not named(headers, "content-type"):
        encoding = {"xml": "text/xml; charset=utf-8", "form": "application/x-www-form-urlencoded"}
        headers["Content-Type"] = encoding.get(fields.text("httpBodyEncoding"), "application/json")
    return Http(
        fields.text("method", "GET").upper(), headers, body, fields.number("maxredirects", 10) > 0, not fields.flag("ignoreTls")
    )


def _headers(fields: Fields, left: list[str]) -> dict[str, str]:
    value = fields.take("headers")
    if isinstance(value, str) and value.strip():
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            left.append("headers")
            return {}
    return {name: str(each) for name, each in cast("dict[str, Any]", value).items()} if isinstance(value, dict) else {}


def _assertions(fields: Fields, type_: str, left: list[str]) -> tuple[Assertion, ...]:
    codes = [str(each) for each in fields.items("accepted_statuscodes")]
    found = [Assertion("status", "within", ",".join(codes))] if codes and codes != ["200-299"] else []
    keyword, inverted = fields.text("keyword"), fields.flag("invertKeyword")
    if type_ == "keyword":
        found.append(Assertion("body", "not-contains" if inverted else "contains", keyword))
    if type_ == "json-query":
        found += _query(fields, left)
    if fields.flag("expiryNotification"):
        left.append("expiryNotification: assert certificate-days where an expiring certificate is to count as down")
    return tuple(found)


def _query(fields: Fields, left: list[str]) -> list[Assertion]:
    """Of JSONata, paths that name one place."""
    query, wanted = fields.text("jsonPath", "$"), fields.text("expectedValue")
    path = query if query.startswith("$") else f"$.{query}"
    compare = _OPERATORS.get(fields.text("jsonPathOperator", "=="))
    try:
        paths.steps(path)
    except paths.PathError:
        compare = None
    if compare is None:
        left.append("jsonPath: it does not name one place, or compares in a way that is not known here")
        return []
    value = _scalar(wanted)
    # There everything is compared as text: what looks like a number may be either.
    if compare in ("equals", "not-equals") and not isinstance(value, str):
        left.append("expectedValue: taken as the JSON value, not as text")
    return [Assertion("json", compare, wanted if compare == "contains" else value, path)]


def _scalar(text: str) -> Scalar:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, str | int | float | bool) or value is None else text


def _dns(fields: Fields, left: list[str]) -> Dns:
    record, server = fields.text("dns_resolve_type", "A"), fields.text("dns_resolve_server") or None
    port = fields.text("port")
    if fields.has("conditions"):
        left.append("conditions")
    if record not in _RECORDS:
        left.append("dns_resolve_type")
        record = "A"
    server = server.partition(",")[0].strip() if server else None
    located = f"[{server}]" if server and ":" in server else server
    return Dns(cast("Any", record), f"{located}:{port}" if located and port not in ("", "53") else located)


def _heartbeat(fields: Fields, left: list[str]) -> Heartbeat:
    period = whole(fields.number("interval", 60), 5)
    left.append("pushToken: beats are sent to another address, which is told here once")
    fields.ignore("pushToken")
    retries, pause = int(fields.number("maxretries", 0)), fields.number("retryInterval", 60)
    return Heartbeat(period_s=period, grace_s=max(5, int(retries * pause)))


def _secrets(fields: Fields, left: list[str]) -> Secrets:
    method = fields.text("authMethod")
    user, word = fields.text("basic_auth_user"), fields.text("basic_auth_pass")
    certificate, key = fields.text("tlsCert"), fields.text("tlsKey")
    if method not in ("", "basic", "mtls"):
        left.append(f"authMethod {method[:30]}")
    basic = Basic(user, word) if user and method in ("", "basic") else None
    return Secrets(basic, None, ClientCertificate(certificate, key) if method == "mtls" and certificate else None)


def _tags(fields: Fields) -> tuple[str, ...]:
    tags: list[str] = []
    for each in fields.items("tags"):
        tag = Fields(each)
        name, value = tag.text("name"), tag.text("value")
        tags.append((f"{name}: {value}" if value else name)[:50])
    return tuple(dict.fromkeys(tag for tag in tags if tag))[:20]
