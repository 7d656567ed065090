"""Gatus' configuration: `endpoints`, `external-endpoints` and `suites` of a YAML file."""

import re
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from keepwell.domains.monitors.models import (
    Assertion,
    Configuration,
    Dns,
    Extract,
    Heartbeat,
    Http,
    Kind,
    Maintenance,
    Recurring,
    Step,
    Tcp,
)
from keepwell.domains.monitors.rules.importing.conditions import UnsaidError, assertion_of
from keepwell.domains.monitors.rules.importing.reading import (
    Fields,
    Found,
    Reading,
    UnreadableFileError,
    duration,
    from_yaml,
    named,
    whole,
)
from keepwell.domains.monitors.rules.validity import SHORTEST_S

_CHANGES_NOTHING = (
    "ui",
    "web",
    "metrics",
    "debug",
    "storage",
    "disable-monitoring-lock",
    "concurrency",
    "skip-invalid-config-update",
)
_ENVIRONMENT = re.compile(r"\$\{[A-Za-z_]\w*\}|\$[A-Z_][A-Z0-9_]*\b")
_CONTEXT = re.compile(r"\[CONTEXT\]\.([A-Za-z_]\w{0,63})")
_DAYS = {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_RECORDS = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT", "CAA", "PTR")


def read(text: str) -> Reading:
    """What a configuration watches.

    Raises:
        UnreadableFileError: it is none.
    """
    document = from_yaml(text)
    if not isinstance(document, dict):
        raise UnreadableFileError("A configuration of Gatus is a mapping.")
    fields = Fields(document)
    left: list[str] = []
    everywhere = _maintenance([fields.take("maintenance")], left, "maintenance") if fields.has("maintenance") else ()
    found = [
        *(_endpoint(Fields(each), everywhere) for each in fields.items("endpoints")),
        *(_external(Fields(each), everywhere) for each in fields.items("external-endpoints")),
        *(_suite(Fields(each), everywhere) for each in fields.items("suites")),
    ]
    fields.ignore(*_CHANGES_NOTHING)
    return Reading(tuple(found), (*left, *fields.left()))


def _endpoint(fields: Fields, everywhere: tuple[Maintenance, ...]) -> Found:
    name, group = fields.text("name"), fields.text("group")
    key, url = f"{group}/{name}", fields.text("url")
    left: list[str] = []
    kind = _kind(fields, url)
    if kind is None:
        return Found(key, name, None, (f"url: {urlsplit(url).scheme[:20] or 'nothing'} is not watched here",))
    base = _base(fields, name, group, everywhere, left)
    asserted = _assertions(fields, kind, left)
    if asserted is None:
        return Found(key, name, None, tuple(left))
    if kind == "dns":
        configuration = _dns(fields, base, url, left)
    elif kind == "http":
        configuration = replace(base, target=url, http=_http(fields, left))
    else:
        configuration = replace(base, kind=kind, target=url.partition("://")[2].rstrip("/"), tcp=Tcp(fields.text("body") or None))
    if fields.has("dns"):
        fields.ignore("dns")
    paused = not fields.flag("enabled", usual=True)
    found = Found(key, name, replace(configuration, kind=kind, assertions=asserted), (*left, *fields.left()), paused)
    return _known_environment(found)


def _external(fields: Fields, everywhere: tuple[Maintenance, ...]) -> Found:
    name, group = fields.text("name"), fields.text("group")
    left: list[str] = []
    period = fields.fields("heartbeat").seconds("interval", 0)
    if period <= 0:
        return Found(f"{group}/{name}", name, None, ("heartbeat: without an interval nothing is ever late",))
    base = _base(fields, name, group, everywhere, left)
    fields.ignore("token")
    left.append("token: beats are sent to another address, which is told here once")
    configuration = replace(base, kind="heartbeat", heartbeat=Heartbeat(period_s=whole(period, 5), grace_s=30))
    paused = not fields.flag("enabled", usual=True)
    return Found(f"{group}/{name}", name, configuration, (*left, *fields.left()), paused)


def _suite(fields: Fields, everywhere: tuple[Maintenance, ...]) -> Found:
    """Requests one after another, where what one stores is put into the next."""
    name, group = fields.text("name"), fields.text("group")
    left: list[str] = []
    base = _base(fields, name, group, everywhere, left)
    steps = [_step(Fields(each), left) for each in fields.items("endpoints")]
    first = urlsplit(steps[0].url if steps else "")
    if first.scheme not in ("http", "https"):
        return Found(f"{group}/{name}", name, None, ("endpoints: the first is no address of the web",))
    if fields.has("timeout"):
        base = replace(base, timeout_s=max(0.1, min(fields.seconds("timeout", 10), 120)))
    paused = not fields.flag("enabled", usual=True)
    configuration = replace(base, kind="flow", target=f"{first.scheme}://{first.netloc}", steps=tuple(steps))
    return _known_environment(Found(f"{group}/{name}", name, configuration, (*left, *fields.left()), paused))


def _step(fields: Fields, left: list[str]) -> Step:
    name, more = fields.text("name") or "step", list[str]()
    url, http = _CONTEXT.sub(r"{{\1}}", fields.text("url")), _http(fields, more)
    headers = {header: _CONTEXT.sub(r"{{\1}}", value) for header, value in http.headers.items()}
    body = None if http.body is None else _CONTEXT.sub(r"{{\1}}", http.body)
    asserted = _assertions(fields, "http", more) or ()
    kept: list[Extract] = []
    for variable, path in fields.texts("store").items():
        if path.startswith("[BODY]"):
            kept.append(Extract(variable, "json", "$" + path.removeprefix("[BODY]")))
        else:
            more.append(f"store {variable[:50]}")
    left += [f"endpoints/{name[:50]}: {each}" for each in (*more, *fields.left())]
    return Step(name, url, replace(http, headers=headers, body=body), asserted, tuple(kept))


def _base(fields: Fields, name: str, group: str, everywhere: tuple[Maintenance, ...], left: list[str]) -> Configuration:
    """What every kind says."""
    interval = whole(fields.seconds("interval", 60), SHORTEST_S)
    threshold = 3.0
    for each in fields.items("alerts"):
        threshold = Fields(each).number("failure-threshold", threshold)
    if fields.has("alerts"):
        left.append("alerts: channels are set up here anew")
    windows = _maintenance(fields.items("maintenance-windows"), left, "maintenance-windows")
    return Configuration(
        name=name,
        kind="http",
        target="",
        interval_s=interval,
        timeout_s=max(0.1, min(fields.fields("client").seconds("timeout", 10), 120)),
        retries=int(max(0, min(threshold - 1, 20))),
        retry_interval_s=min(interval, 3_600),
        regions=("default",),
        quorum=None,
        assertions=(),
        priority="normal",
        severity="critical",
        maintenance=(*everywhere, *windows),
        group=group[:100],
    )


def _kind(fields: Fields, url: str) -> Kind | None:
    if fields.has("dns"):
        return "dns"
    kinds: dict[str, Kind] = {"http": "http", "https": "http", "tcp": "tcp", "tls": "tls"}
    return None if fields.has("ssh") else kinds.get(url.partition("://")[0].lower())


def _http(fields: Fields, left: list[str]) -> Http:
    headers, body = fields.texts("headers"), fields.text("body") or None
    if fields.flag("graphql") and body is not None:
        body = msgspec.json.encode({"query": body}).decode()
        if not named(headers, "content-type"):
            headers["Content-Type"] = "application/json"
    if named(headers, "host"):
        left.append("headers: Host")
        headers = {name: value for name, value in headers.items() if name.lower() != "host"}
    client = fields.fields("client")
    client.ignore("timeout")
    follow, verify = not client.flag("ignore-redirect"), not client.flag("insecure")
    left += client.left("client.")
    fields.ignore("ui", "extra-labels")
    return Http(fields.text("method", "GET").upper(), headers, body, follow, verify)


def _dns(fields: Fields, base: Configuration, url: str, left: list[str]) -> Configuration:
    asked = fields.fields("dns")
    record = asked.text("query-type", "A").upper()
    if record not in _RECORDS:
        left.append(f"dns.query-type {record[:20]}")
        record = "A"
    server = url.partition("://")[2] or url
    return replace(base, target=asked.text("query-name").rstrip("."), dns=Dns(cast("Any", record), server))


def _assertions(fields: Fields, kind: Kind, left: list[str]) -> tuple[Assertion, ...] | None:
    """What is asserted; None: nothing of all that is could be said here, and what is left would always be up."""
    found: list[Assertion] = []
    conditions, said = fields.items("conditions"), 0
    for each in conditions:
        try:
            asserted = assertion_of(str(each), kind)
        except UnsaidError:
            left.append(f"conditions: {str(each).split(' ')[0][:50]}")
        else:
            said += 1
            found += [] if asserted is None else [asserted]
    if conditions and not said:
        return None
    if kind == "http" and not any(each.on == "status" for each in found):
        found.insert(0, Assertion("status", "within", "100-599"))  # nothing was said about it, and then nothing is asked
    return tuple(found)


def _maintenance(windows: list[Any], left: list[str], where: str) -> tuple[Maintenance, ...]:
    return tuple(window for each in windows if (window := _window(Fields(each), left, where)) is not None)


def _window(fields: Fields, left: list[str], where: str) -> Maintenance | None:
    if not fields.flag("enabled", usual=True):
        return None
    start, seconds = _CLOCK.fullmatch(fields.text("start")), duration(fields.take("duration"), 0)
    days = ",".join(_weekdays(fields))
    if start is None or seconds <= 0:
        left.append(where)
        return None
    cron = f"{int(start[2])} {int(start[1])} * * {days or '*'}"
    return Maintenance(recurring=Recurring(cron, fields.text("timezone", "UTC"), duration_s=whole(seconds, 1)))


def _weekdays(fields: Fields) -> Iterator[str]:
    return (str(_DAYS[day]) for each in fields.items("every") if (day := str(each).lower()) in _DAYS)


def _known_environment(found: Found) -> Found:
    """Nothing, where the file says that something stands in the environment of Gatus: that is not in the file."""
    text = "" if found.configuration is None else msgspec.json.encode(found.configuration).decode()
    names = sorted({match.strip("${}") for match in _ENVIRONMENT.findall(text)})
    if not names:
        return found
    return Found(found.key, found.name, None, (f"{', '.join(names)[:200]}: stands in the environment of Gatus, not in the file",))
