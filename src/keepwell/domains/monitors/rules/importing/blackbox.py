"""blackbox_exporter's modules, and Prometheus' static targets that are probed by them: two YAML files."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from msgspec.structs import replace

from keepwell.domains.monitors.models import Assertion, Basic, Comparison, Configuration, Dns, Http, Secrets, Tcp, Tls
from keepwell.domains.monitors.rules.importing.reading import Fields, Found, Reading, UnreadableFileError, from_yaml, named, whole
from keepwell.domains.monitors.rules.validity import SHORTEST_S

_USUAL_MODULE = "http_2xx"
_RECORDS = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT", "CAA", "PTR")
_WAYS = ("preferred_ip_protocol", "ip_protocol_fallback")


def read(texts: Iterable[str]) -> Reading:
    """What modules and scrape configurations watch together.

    Raises:
        UnreadableFileError: they are none.
    """
    modules, jobs, usual, left = dict[str, Any](), list[Any](), Fields({}), list[str]()
    for text in texts:
        fields = Fields(from_yaml(text))
        if not (fields.has("modules") or fields.has("scrape_configs")):
            raise UnreadableFileError("Send the modules of blackbox_exporter, and the scrape_configs of Prometheus.")
        modules |= {str(name): each for name, each in cast("dict[Any, Any]", fields.take("modules") or {}).items()}
        jobs += fields.items("scrape_configs")
        if fields.has("global"):
            usual = fields.fields("global")
        left += fields.left()
    found = [each for job in jobs for each in _job(Fields(job), modules, usual.seconds("scrape_interval", 60), left)]
    used = {each.key.split("|")[1] for each in found}
    left += [f"modules.{name[:50]}: no target is probed by it" for name in modules if name not in used]
    return Reading(tuple(found), tuple(left))


def _job(fields: Fields, modules: Mapping[str, Any], usual_s: float, left: list[str]) -> list[Found]:
    job = fields.text("job_name")
    params = fields.fields("params")
    probing = params.has("module") or fields.text("metrics_path") == "/probe"
    if not probing:
        left.append(f"{job[:50]}: not probed by blackbox_exporter")
        return []
    [module, *others] = params.items("module") or [_USUAL_MODULE]
    interval = whole(fields.seconds("scrape_interval", usual_s), SHORTEST_S)
    found: list[Found] = []
    for each in fields.items("static_configs"):
        group = Fields(each)
        labels = group.texts("labels")
        named_module = labels.pop("__param_module", str(module))
        tags = tuple(f"{name}: {value}"[:50] for name, value in labels.items() if not name.startswith("__"))[:20]
        for target in group.items("targets"):
            made = _target(str(target), named_module, modules, job, interval)
            found.append(_tagged(made, tags))
    fields.ignore("metrics_path", "relabel_configs", "scrape_timeout", "honor_labels", "scheme")
    left += [f"{job[:50]}: {name}" for name in (*fields.left(), *(["params.module"] if others else []))]
    return found


def _tagged(found: Found, tags: tuple[str, ...]) -> Found:
    return found if found.configuration is None else found._replace(configuration=replace(found.configuration, tags=tags))


def _target(target: str, module: str, modules: Mapping[str, Any], job: str, interval_s: int) -> Found:
    key, name = f"{job}|{module}|{target}", target[:200]
    if module not in modules:
        return Found(key, name, None, (f"module {module[:50]} is in none of the files",))
    fields = Fields(modules[module])
    prober, left = fields.text("prober"), list[str]()
    base = Configuration(
        name=name,
        kind="http",
        target=target,
        interval_s=interval_s,
        timeout_s=max(0.1, min(fields.seconds("timeout", 10), 120)),
        retries=0,
        retry_interval_s=min(interval_s, 30),
        regions=("default",),
        quorum=None,
        assertions=(),
        priority="normal",
        severity="critical",
        group=job[:100],
    )
    inner = fields.fields(prober)
    inner.ignore(*_WAYS)
    match prober:
        case "http":
            made: Configuration | None = _http(inner, base, left)
        case "tcp":
            made = _tcp(inner, base, left)
        case "dns":
            made = _dns(inner, base, left)
        case _:
            made = None
            left.append(f"prober {prober[:20]} is not watched here")
    return Found(key, name, made, (*left, *inner.left(f"{prober}."), *fields.left()) if made else tuple(left))


def _http(fields: Fields, base: Configuration, left: list[str]) -> Configuration:
    follow = fields.flag("follow_redirects", usual=True) and not fields.flag("no_follow_redirects")
    verify = _verified(fields.fields("tls_config"), left)
    url = base.target if "://" in base.target else f"http://{base.target}"
    if fields.flag("fail_if_not_ssl") and not url.startswith("https://"):
        left.append("fail_if_not_ssl")
    headers = {name: value for name, value in fields.texts("headers").items() if name.lower() != "host"}
    if named(fields.texts("headers"), "host"):
        left.append("headers: Host")
    http = Http(fields.text("method", "GET").upper(), headers, fields.text("body") or None, follow, verify)
    return replace(base, target=url, http=http, secrets=_secrets(fields, left), assertions=_assertions(fields, left))


def _secrets(fields: Fields, left: list[str]) -> Secrets:
    basic, other = fields.fields("basic_auth"), fields.fields("authorization")
    user, word = basic.text("username"), basic.text("password")
    left += basic.left("basic_auth.")
    bearer = fields.text("bearer_token")
    if other.text("type", "Bearer") == "Bearer":
        bearer = bearer or other.text("credentials")
    left += other.left("authorization.")
    return Secrets(Basic(user, word) if user else None, None if user else bearer or None)


def _assertions(fields: Fields, left: list[str]) -> tuple[Assertion, ...]:
    codes = [str(each) for each in fields.items("valid_status_codes")]
    found = [Assertion("status", "within", ",".join(codes))] if codes else []
    found += [Assertion("body", "not-matches", str(each)) for each in fields.items("fail_if_body_matches_regexp")]
    found += [Assertion("body", "matches", str(each)) for each in fields.items("fail_if_body_not_matches_regexp")]
    compared: tuple[tuple[str, Comparison], ...] = (
        ("fail_if_header_matches", "not-matches"),
        ("fail_if_header_not_matches", "matches"),
    )
    for name, compare in compared:
        for each in map(Fields, fields.items(name)):
            if each.flag("allow_missing"):
                left.append(f"{name}: allow_missing")
            else:
                found.append(Assertion("header", compare, each.text("regexp"), each.text("header")))
    return tuple(found)


def _tcp(fields: Fields, base: Configuration, left: list[str]) -> Configuration:
    pairs = [Fields(each) for each in fields.items("query_response")]
    verified = _verified(fields.fields("tls_config"), left)
    if fields.flag("tls"):
        left += ["query_response"] if pairs else []
        return replace(base, kind="tls", tls=Tls(verified))
    sent = [text for each in pairs if (text := each.text("send"))]
    expected = [text for each in pairs if (text := each.text("expect"))]
    if len(sent) > 1 or len(expected) > 1 or any(each.left() for each in pairs):
        left.append("query_response: what is said first, and what comes first, at most")
    asserted = tuple(Assertion("body", "matches", f"(?m){text}") for text in expected[:1])
    return replace(base, kind="tcp", tcp=Tcp(f"{sent[0]}\n" if sent else None), assertions=asserted)


def _dns(fields: Fields, base: Configuration, left: list[str]) -> Configuration:
    """There the target is the server that is asked."""
    record = fields.text("query_type", "ANY").upper()
    if record not in _RECORDS:
        left.append(f"dns.query_type {record[:20]}: A is asked for")
        record = "A"
    if fields.text("transport_protocol", "udp") != "udp":
        left.append("dns.transport_protocol")
    answers = fields.fields("validate_answer_rrs")
    found = [Assertion("record", "not-matches", str(each)) for each in answers.items("fail_if_matches_regexp")]
    found += [Assertion("record", "matches", str(each)) for each in answers.items("fail_if_none_matches_regexp")]
    if found:
        left.append("dns.validate_answer_rrs: patterns see the value of a record only")
    left += answers.left("dns.validate_answer_rrs.")
    if [str(each) for each in fields.items("valid_rcodes")] not in ([], ["NOERROR"]):
        left.append("dns.valid_rcodes")
    server = base.target.partition("://")[2] or base.target
    name = fields.text("query_name").rstrip(".")
    dns = Dns(cast("Any", record), server)
    return replace(base, kind="dns", target=name, name=f"{name} at {base.target}"[:200], dns=dns, assertions=tuple(found))


def _verified(tls: Fields, left: list[str]) -> bool:
    verified = not tls.flag("insecure_skip_verify")
    left += tls.left("tls_config.")
    return verified
