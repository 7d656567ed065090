"""What is wrong with a monitor, each fault where it stands. Nothing is stored that could not be checked."""

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from keepwell.domains.monitors.models import Assertion, Configuration, Kind
from keepwell.domains.monitors.rules import assertions, beats, requests, windows
from keepwell.domains.monitors.rules.targets import (
    TargetError,
    dns_name,
    is_closed,
    socket_place,
    tcp_place,
    tls_place,
    web_place,
)
from keepwell.kernel.problems import Fault

_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME_LIMIT, _GROUP_LIMIT, _TAG_LIMIT = 200, 100, 50
_MOST = {"regions": 20, "assertions": 50, "steps": 20, "maintenance": 50, "service_hours": 50, "tags": 20}
SHORTEST_S, LONGEST_S = 1, 7 * 86_400
_CLOSED = "Private, loopback and link-local addresses, and names that only a network knows, are closed to this clinic's monitors."


def faults(configuration: Configuration, *, private: bool) -> tuple[Fault, ...]:
    """Everything that is wrong. `private`: addresses that are no public ones are open to the clinic."""
    return (
        *_text_faults(configuration),
        *_number_faults(configuration),
        *_count_faults(configuration),
        *target_faults(configuration, private=private),
        *_kind_faults(configuration),
        *requests.faults(configuration, private=private),
        *_time_faults(configuration),
        *_assertion_faults(configuration.assertions, configuration.kind, "/assertions"),
        *(
            fault
            for place, step in enumerate(configuration.steps)
            for fault in _assertion_faults(step.assertions, "http", f"/steps/{place}/assertions")
        ),
    )


def parent_faults(monitor: UUID, parent: UUID | None, *, usable: bool) -> tuple[Fault, ...]:
    """Whether this may be the parent. `usable`: there is one of this id, which waits neither for this one nor was deleted."""
    if parent is None or (usable and parent != monitor):
        return ()
    return (Fault("/parent", "invalid-value", "Use the id of another monitor, which does not depend on this one."),)


def target_faults(configuration: Configuration, *, private: bool) -> Iterator[Fault]:
    """What is wrong with the target, and with the server that is asked for names."""
    try:
        host = _host(configuration)
    except TargetError as error:
        yield Fault("/target", "invalid-value", str(error))
        host = None
    if host and not private and is_closed(host):
        yield Fault("/target", "private-address", _CLOSED)
    server = configuration.dns.server
    if configuration.kind == "dns" and server is not None:
        yield from server_faults(server, private=private)


def server_faults(server: str, *, private: bool) -> Iterator[Fault]:
    """What is wrong with the server that is asked for names."""
    try:
        host = socket_place(server, 53).host
    except TargetError:
        yield Fault("/dns/server", "invalid-value", "Use an address such as 9.9.9.9, or 9.9.9.9:53.")
        return
    if not private and is_closed(host):
        yield Fault("/dns/server", "private-address", _CLOSED)


def _host(configuration: Configuration) -> str | None:
    """The host that is connected to, where the target names one.

    Raises:
        TargetError: the target is none for this kind.
    """
    target = configuration.target
    match configuration.kind:
        case "http" | "flow":
            return web_place(target).host
        case "tcp":
            return tcp_place(target).host
        case "tls":
            return tls_place(target).host
        case "dns":
            dns_name(target)
        case "heartbeat" if target:
            raise TargetError("A heartbeat comes by itself: it has no target.")
        case _:
            pass
    return None


def _text_faults(configuration: Configuration) -> Iterator[Fault]:
    name = configuration.name.strip()
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        yield Fault("/name", "name-length", f"Use 1 to {_NAME_LIMIT} printable characters.")
    if len(configuration.group) > _GROUP_LIMIT or not configuration.group.isprintable():
        yield Fault("/group", "name-length", f"Use at most {_GROUP_LIMIT} printable characters.")
    for place, tag in enumerate(configuration.tags):
        if not 0 < len(tag.strip()) <= _TAG_LIMIT or not tag.isprintable():
            yield Fault(f"/tags/{place}", "name-length", f"Use 1 to {_TAG_LIMIT} printable characters.")
    if configuration.runbook and not _is_web(configuration.runbook):
        yield Fault("/runbook", "invalid-value", "Use an address of the web, or nothing.")
    for place, region in enumerate(configuration.regions):
        if not _REGION.fullmatch(region):
            yield Fault(f"/regions/{place}", "invalid-value", "Use 1 to 63 lower-case letters, digits and hyphens between them.")


def _is_web(url: str) -> bool:
    try:
        web_place(url)
    except TargetError:
        return False
    return True


def _number_faults(configuration: Configuration) -> Iterator[Fault]:
    bounds = (
        ("interval_s", configuration.interval_s, SHORTEST_S, LONGEST_S),
        ("timeout_s", configuration.timeout_s, 0.1, 120),
        ("retries", configuration.retries, 0, 20),
        ("retry_interval_s", configuration.retry_interval_s, 1, 3_600),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            yield Fault(f"/{name}", "range", f"Use {least} to {most}.")
    if configuration.quorum is not None and not 0 < configuration.quorum <= len(configuration.regions):
        yield Fault("/quorum", "range", "Use 1 to the number of regions.")


def _count_faults(configuration: Configuration) -> Iterator[Fault]:
    for name, most in _MOST.items():
        if len(getattr(configuration, name)) > most:
            yield Fault(f"/{name}", "too-many", f"Use at most {most}.")
    if not configuration.regions:
        yield Fault("/regions", "empty", "Name at least one region, such as default.")
    if len(set(configuration.regions)) < len(configuration.regions):
        yield Fault("/regions", "repeated", "Name each region once.")


def _kind_faults(configuration: Configuration) -> Iterator[Fault]:
    if configuration.kind == "flow" and not configuration.steps:
        yield Fault("/steps", "required", "A flow has at least one step.")
    if configuration.kind != "flow" and configuration.steps:
        yield Fault("/steps", "not-for-this-kind", "Only a flow has steps.")
    if configuration.kind == "flow" and configuration.assertions:
        yield Fault("/assertions", "not-for-this-kind", "The steps of a flow have assertions, each its own.")
    if configuration.kind == "heartbeat" and configuration.heartbeat is None:
        yield Fault("/heartbeat", "required", "Say when beats come: by period_s, or by cron.")
    if configuration.kind != "heartbeat" and configuration.heartbeat is not None:
        yield Fault("/heartbeat", "not-for-this-kind", "Only a heartbeat is waited for.")


def _time_faults(configuration: Configuration) -> Iterator[Fault]:
    for place, window in enumerate(configuration.maintenance):
        yield from windows.maintenance_faults(window, f"/maintenance/{place}")
    for place, hours in enumerate(configuration.service_hours):
        yield from windows.recurring_faults(hours, f"/service_hours/{place}")
    if configuration.heartbeat is not None:
        yield from beats.faults(configuration.heartbeat, "/heartbeat")


def _assertion_faults(found: Iterable[Assertion], kind: Kind, pointer: str) -> Iterator[Fault]:
    for place, assertion in enumerate(found):
        yield from assertions.faults(assertion, kind, f"{pointer}/{place}")
