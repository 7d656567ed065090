"""What requests carry: headers, bodies, secrets, and what is put into them; what proves who asks is kept apart from the rest."""

import re
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace

from keepwell.domains.monitors.models import ClientCertificate, Configuration, Extract, Http, Secrets, Step
from keepwell.domains.monitors.rules import patterns, templates
from keepwell.domains.monitors.rules.assertions import path_faults
from keepwell.domains.monitors.rules.targets import TargetError, is_closed, web_place
from keepwell.kernel.problems import Fault

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4000}")
_AUTHENTICATES = re.compile(
    r"(?i)authorization|cookie|.*(?:token|secret|passw|credential|signature|session|api[-_]?key|auth[-_]?key).*"
)
_OURS = ("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade")
_MOST_HEADERS, _MOST_SECRETS, _LONGEST_BODY, _LONGEST_SECRET, _LONGEST_PEM = 50, 50, 65_536, 4_000, 32_768


def apart(configuration: Configuration) -> Configuration:
    """The same monitor, its headers that prove who asks among the secrets, unless what they say comes from there already."""
    telling = {name: value for name, value in configuration.http.headers.items() if authenticates(name, value)}
    if not telling:
        return configuration
    others = {name: value for name, value in configuration.http.headers.items() if name not in telling}
    secrets = replace(configuration.secrets, headers=configuration.secrets.headers | telling)
    return replace(configuration, http=replace(configuration.http, headers=others), secrets=secrets)


def authenticates(name: str, value: str) -> bool:
    """Whether a header proves who asks by what it says itself."""
    return _AUTHENTICATES.fullmatch(name) is not None and not any(templates.wanted(value))


def faults(configuration: Configuration, *, private: bool) -> Iterator[Fault]:
    """What is wrong with what is sent."""
    yield from _http_faults(configuration.http, "/http")
    yield from _secret_faults(configuration.secrets)
    if configuration.tcp.send is not None and len(configuration.tcp.send) > _LONGEST_BODY:
        yield Fault("/tcp/send", "too-long", f"Use at most {_LONGEST_BODY} characters.")
    known = set(configuration.secrets.variables)
    texts = (configuration.target, *templates.texts(configuration.http), *configuration.secrets.headers.values())
    yield from _unknown(texts, known, "/http")
    for place, step in enumerate(configuration.steps):
        yield from _step_faults(configuration, step, known, f"/steps/{place}", private=private)
        known |= {extract.name for extract in step.extract}


def step_url(target: str, step: Step) -> str:
    """Where a step leads: its own address, or its path beneath the target."""
    return step.url if "://" in step.url.partition("?")[0] else target.rstrip("/") + "/" + step.url.lstrip("/")


def _step_faults(configuration: Configuration, step: Step, known: set[str], pointer: str, *, private: bool) -> Iterator[Fault]:
    if not 0 < len(step.name.strip()) <= 200 or not step.name.isprintable():
        yield Fault(f"{pointer}/name", "name-length", "Use 1 to 200 printable characters.")
    try:
        host = web_place(step_url(configuration.target, step)).host
    except TargetError as error:
        yield Fault(f"{pointer}/url", "invalid-value", str(error))
    else:
        if not private and is_closed(host):
            yield Fault(f"{pointer}/url", "private-address", "This address is closed to this clinic's monitors.")
    yield from _http_faults(step.http, f"{pointer}/http")
    for name, value in step.http.headers.items():
        if authenticates(name, value):
            yield Fault(f"{pointer}/http/headers", "secret", "Put what proves who asks into secrets, and {{name}} in its place.")
    yield from _unknown((step.url, *templates.texts(step.http)), known, pointer)
    yield from _extract_faults(step.extract, f"{pointer}/extract")


def _extract_faults(found: Iterable[Extract], pointer: str) -> Iterator[Fault]:
    for place, extract in enumerate(found):
        if not templates.NAME.fullmatch(extract.name):
            yield Fault(f"{pointer}/{place}/name", "invalid-value", "Use letters, digits and underscores.")
        if extract.source == "json":
            yield from path_faults(extract.path, f"{pointer}/{place}/path")
        elif extract.source == "header" and not _HEADER.fullmatch(extract.path):
            yield Fault(f"{pointer}/{place}/path", "invalid-value", "Use the name of a header.")
        elif extract.source == "body":
            try:
                patterns.check(extract.path, groups=1)
            except patterns.PatternError as error:
                yield Fault(f"{pointer}/{place}/path", "invalid-value", str(error))


def _unknown(texts: Iterable[str], known: set[str], pointer: str) -> Iterator[Fault]:
    names = sorted({name for text in texts for name in templates.wanted(text)} - known)
    if names:
        yield Fault(pointer, "unknown-variable", f"Nothing says what is to be put in for {', '.join(names)}.")


def _http_faults(http: Http, pointer: str) -> Iterator[Fault]:
    if http.method not in METHODS:
        yield Fault(f"{pointer}/method", "invalid-value", f"Use one of: {', '.join(METHODS)}.")
    if http.body is not None and len(http.body.encode()) > _LONGEST_BODY:
        yield Fault(f"{pointer}/body", "too-long", f"Use at most {_LONGEST_BODY} bytes.")
    yield from _header_faults(http.headers, f"{pointer}/headers")


def _header_faults(headers: dict[str, str], pointer: str) -> Iterator[Fault]:
    if len(headers) > _MOST_HEADERS:
        yield Fault(pointer, "too-many", f"Use at most {_MOST_HEADERS}.")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            yield Fault(pointer, "invalid-value", "Use names of headers, but for those of the connection.")
        elif not _VALUE.fullmatch(value):
            yield Fault(pointer, "invalid-value", "Use printable values of at most 4000 characters.")


def _secret_faults(secrets: Secrets) -> Iterator[Fault]:
    yield from _header_faults(secrets.headers, "/secrets/headers")
    if len(secrets.variables) > _MOST_SECRETS:
        yield Fault("/secrets/variables", "too-many", f"Use at most {_MOST_SECRETS}.")
    for name, value in secrets.variables.items():
        if not templates.NAME.fullmatch(name) or len(value) > _LONGEST_SECRET:
            yield Fault(
                "/secrets/variables",
                "invalid-value",
                "Use names of letters, digits and underscores, and at most 4000 characters.",
            )
    if secrets.bearer is not None and (not secrets.bearer or not _VALUE.fullmatch(secrets.bearer)):
        yield Fault("/secrets/bearer", "invalid-value", "Use the token without the word Bearer.")
    if secrets.bearer is not None and secrets.basic is not None:
        yield Fault("/secrets", "ambiguous", "Say either basic or bearer.")
    if secrets.basic is not None and (":" in secrets.basic.username or len(secrets.basic.password) > _LONGEST_SECRET):
        yield Fault("/secrets/basic", "invalid-value", "A name has no colon; both have at most 4000 characters.")
    if secrets.client_certificate is not None:
        yield from _certificate_faults(secrets.client_certificate)


def _certificate_faults(given: ClientCertificate) -> Iterator[Fault]:
    pointer = "/secrets/client_certificate"
    if max(len(given.certificate), len(given.key)) > _LONGEST_PEM:
        yield Fault(pointer, "too-long", f"Use at most {_LONGEST_PEM} characters.")
        return
    try:
        certificate = x509.load_pem_x509_certificates(given.certificate.encode())[0]
    except ValueError:
        yield Fault(f"{pointer}/certificate", "invalid-value", "Use a certificate in PEM, its chain after it.")
        return
    try:
        key = load_pem_private_key(given.key.encode(), None)
    except (ValueError, TypeError):
        yield Fault(f"{pointer}/key", "invalid-value", "Use a private key in PEM, without a password.")
        return
    if key.public_key() != certificate.public_key():
        yield Fault(f"{pointer}/key", "invalid-value", "Use the key that belongs to the certificate.")
