"""The draft of a postmortem, written from the record: what is known stands in it, what people have to think about is left open.

The outline is PagerDuty's (https://postmortems.pagerduty.com). Pure.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from keepwell.domains.incidents.models import IncidentView, TimelineEntry

_TO_FILL = "_To be written._"
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def postmortem(incident: IncidentView) -> str:
    """The draft, in Markdown. What people wrote stands in it as text, whatever marks it holds."""
    lines = [
        *_head(incident),
        *_section("Overview", f"{_plain(incident.timeline[0].text) or _TO_FILL}"),
        *_section("What happened", _TO_FILL),
        *_section("Contributing factors", _TO_FILL),
        *_section("Resolution", _resolution(incident)),
        *_section("Impact", *_impact(incident)),
        *_section("Responders", *(f"- {each}" for each in _responders(incident))),
        *_section("Timeline", "All times are UTC.", "", *_timeline(incident)),
        *_section("What went well", _TO_FILL),
        *_section("What did not go well", _TO_FILL),
        *_section("Action items", "- [ ] _To be written._"),
    ]
    return "\n".join(lines) + "\n"


def _head(incident: IncidentView) -> Iterator[str]:
    yield f"# Postmortem: {_plain(incident.title)}"
    yield ""
    yield f"- Incident: `{incident.id}` about `{incident.subject}`"
    yield f"- Severity: {incident.severity}"
    yield f"- Status: {incident.status}"
    yield f"- Owner: {incident.owner or 'nobody yet'}"
    if incident.runbook:
        yield f"- Runbook: {incident.runbook}"


def _section(title: str, *lines: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines


def _resolution(incident: IncidentView) -> str:
    if incident.resolved_at is None:
        return "The incident is not resolved yet."
    last = next((each.text for each in reversed(incident.timeline) if each.type == "resolved"), "")
    return _plain(last) or _TO_FILL


def _impact(incident: IncidentView) -> Iterator[str]:
    yield _plain(incident.impact) or _TO_FILL
    yield ""
    yield f"- Began: {_at(incident.opened_at)}"
    yield f"- Time to acknowledge: {_lasted(incident.time_to_acknowledge_s)}"
    yield f"- Time to resolve: {_lasted(incident.time_to_resolve_s)}"


def _responders(incident: IncidentView) -> list[str]:
    """Everybody who did something, in the order in which they first did."""
    people = dict.fromkeys(str(entry.by) for entry in incident.timeline if entry.by.int)
    return list(people) or ["Nobody: only the program itself."]


def _timeline(incident: IncidentView) -> Iterator[str]:
    yield "| At | What | By | Data |"
    yield "|---|---|---|---|"
    for version, entry in enumerate(incident.timeline, start=1):
        yield f"| {_at(entry.at)} | {_told(entry)} | {_by(entry)} | [entry {version}](/v1/audit?entity={incident.id}) |"


def _told(entry: TimelineEntry) -> str:
    text = _plain(entry.text)
    return f"{entry.type}: {text}" if text else entry.type


def _by(entry: TimelineEntry) -> str:
    return str(entry.by) if entry.by.int else "the program"


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%SZ")


def _lasted(seconds: float | None) -> str:
    if seconds is None:
        return "not yet"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s"


def _plain(text: str) -> str:
    """One line of text that no renderer takes for anything else."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
