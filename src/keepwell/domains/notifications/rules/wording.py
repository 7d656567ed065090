"""What a notification says: what incidents are called, how bad they are, what happened to them, and where to look. Nothing else.

The same notification says the same each time it is sent. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.notifications.models.notifications import Happened, Item, NotificationView
from keepwell.platform.messengers import Message, Tone

MOST_LINES = 20
_WORDS: Mapping[Happened, str] = {
    "opened": "Opened",
    "escalated": "Nobody has acknowledged",
    "acknowledged": "Acknowledged",
    "severity-changed": "Severity changed",
    "resolved": "Resolved",
}
_TONES: Mapping[str, Tone] = {"critical": "failure", "warning": "warning", "info": "info"}


class Line(msgspec.Struct, frozen=True):
    """One incident, as it is told."""

    id: UUID
    title: str
    severity: str
    happened: Happened
    at: datetime
    link: str


class Saying(msgspec.Struct, frozen=True):
    """What one notification says."""

    id: UUID
    at: datetime
    lines: tuple[Line, ...]


def saying(told: NotificationView, titles: Mapping[UUID, str], base: str) -> Saying:
    """What it says, given what its incidents are called and where people find them."""
    return Saying(told.id, told.created_at, tuple(_line(item, titles, base) for item in told.incidents))


def trial(id_: UUID, at: datetime, base: str) -> Saying:
    """What is said to try a channel out."""
    return Saying(id_, at, (Line(id_, "This is a test of the channel", "info", "opened", at, f"{base}/docs"),))


def document(said: Saying, *, test: bool = False) -> bytes:
    """The body of a webhook, by Standard Webhooks: a type, when it was said, and what."""
    single = f"incident.{said.lines[0].happened}" if len(said.lines) == 1 else "incidents"
    data: dict[str, Any] = {"notification": said.id, "incidents": said.lines}
    return msgspec.json.encode({"type": "test" if test else single, "timestamp": said.at, "data": data})


def messages(said: Saying) -> list[Message]:
    """What is sent to people: one text, however much happened."""
    if len(said.lines) == 1:
        return [_message(said.lines[0])]
    worst = next(each for each in ("critical", "warning", "info") if any(line.severity == each for line in said.lines))
    shown = [f"- {_heading(line)} {line.link}" for line in said.lines[:MOST_LINES]]
    more = len(said.lines) - MOST_LINES
    text = "\n".join([*shown, *([f"and {more} more"] if more > 0 else [])])
    return [Message(f"{len(said.lines)} changes of incidents", text, _TONES[worst])]


def each_by_itself(said: Saying) -> list[Message]:
    """What is sent to services that keep incidents themselves."""
    return [_message(line) for line in said.lines]


def _line(item: Item, titles: Mapping[UUID, str], base: str) -> Line:
    link = f"{base}/v1/incidents/{item.incident}"
    return Line(item.incident, titles[item.incident], item.severity, item.happened, item.at, link)


def _message(line: Line) -> Message:
    tone: Tone = "success" if line.happened == "resolved" else _TONES[line.severity]
    text = f"Severity: {line.severity}\nAt: {line.at:%Y-%m-%d %H:%M:%S} UTC\n{line.link}"
    return Message(_heading(line), text, tone, f"keepwell-{line.id}", over=line.happened == "resolved")


def _heading(line: Line) -> str:
    return f"[{line.severity}] {_WORDS[line.happened]}: {' '.join(line.title.split())}"


def names(told: NotificationView) -> list[UUID]:
    """The incidents that have to be looked up, each once."""
    return list(dict.fromkeys(item.incident for item in told.incidents))
