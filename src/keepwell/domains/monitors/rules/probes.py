"""What is asked of a target: the requests of a monitor, with its secrets put in where they belong and nowhere else."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

from keepwell.domains.monitors.models import Extract, Http, Monitor, Step
from keepwell.domains.monitors.rules import paths, patterns, templates
from keepwell.domains.monitors.rules.requests import step_url
from keepwell.domains.monitors.rules.targets import tcp_place, tls_place
from keepwell.platform.probing import DnsProbe, HttpProbe, Observation, Probe, TcpProbe, TlsProbe

_LONGEST = 4_000


def probe_of(monitor: Monitor) -> Probe:
    """What is asked for a monitor that asks once.

    Raises:
        ValueError: it asks nothing (a heartbeat), or several things one after another (a flow).
    """
    match monitor.kind:
        case "http":
            known = monitor.secrets.variables
            return _request(monitor, _address(monitor.target, known), monitor.http, known)
        case "tcp":
            place = tcp_place(monitor.target)
            hears = any(each.on == "body" for each in monitor.assertions)
            return TcpProbe(place.host, place.port, monitor.timeout_s, (monitor.tcp.send or "").encode(), hears)
        case "tls":
            place = tls_place(monitor.target)
            return TlsProbe(place.host, place.port, monitor.timeout_s, monitor.tls.verify)
        case "dns":
            return DnsProbe(monitor.target, monitor.dns.record, monitor.dns.server, monitor.timeout_s)
        case _:
            raise ValueError(f"a monitor of kind {monitor.kind} does not ask once")


def step_probe(monitor: Monitor, step: Step, values: Mapping[str, str]) -> HttpProbe:
    """What one step of a flow asks, with what earlier steps carried on."""
    known = {**monitor.secrets.variables, **values}
    return _request(monitor, _address(step_url(monitor.target, step), known), step.http, known)


def carried(step: Step, observation: Observation) -> Mapping[str, str] | None:
    """What a step carries on to those after it; None: something of it is not there, or too long."""
    found: dict[str, str] = {}
    for extract in step.extract:
        value = _extracted(extract, observation)
        if value is None or len(value) > _LONGEST:
            return None
        found[extract.name] = value
    return found


def _address(url: str, values: Mapping[str, str]) -> str:
    """What is put into an address leads nowhere else: it stays within its segment or parameter."""
    return templates.filled(url, {name: quote(value, safe="") for name, value in values.items()})


def _request(monitor: Monitor, url: str, http: Http, values: Mapping[str, str]) -> HttpProbe:
    filled = templates.filled_request(http, values)
    probe = HttpProbe(
        url=url,
        method=filled.method,
        headers=filled.headers,
        body=(filled.body or "").encode(),
        follow_redirects=filled.follow_redirects,
        verify=filled.verify,
        timeout_s=monitor.timeout_s,
    )
    ours = url == monitor.target or _origin(url) == _origin(monitor.target)
    return _proving(monitor, probe, values) if ours else probe


def _proving(monitor: Monitor, probe: HttpProbe, values: Mapping[str, str]) -> HttpProbe:
    """The request with what proves who asks."""
    secrets = monitor.secrets
    telling = templates.filled_headers(secrets.headers, values)
    basic, certificate = secrets.basic, secrets.client_certificate
    return msgspec.structs.replace(
        probe,
        headers={**probe.headers, **telling},
        basic=None if basic is None else (basic.username, basic.password),
        bearer=secrets.bearer,
        certificate=None if certificate is None else f"{certificate.certificate}\n{certificate.key}",
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or usual


def _extracted(extract: Extract, observation: Observation) -> str | None:
    if extract.source == "header":
        return observation.headers.get(extract.path.lower())
    if extract.source == "body":
        return patterns.found(extract.path, observation.body.decode("utf-8", "replace"))
    try:
        value = paths.at(msgspec.json.decode(observation.body), extract.path)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if value is paths.ABSENT or value is None:
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
