"""What is said of a change, and how messages are written down: once for all who are sent them, but for their ids."""

import msgspec

from keepwell.domains.live.models import AMENDED, CHANGED, SUBMITTED, VOIDED, Frame, Message
from keepwell.domains.live.rules.cursors import Cursor
from keepwell.domains.responses import change_of
from keepwell.kernel import Entry

_TYPES = {"submitted": SUBMITTED, "amended": AMENDED, "voided": VOIDED}
_encode = msgspec.json.Encoder().encode


def told(entry: Entry) -> Message:
    """What who may read the response is told of one version of it."""
    change = change_of(entry.version, entry.event)
    return Message(_TYPES.get(change.change, CHANGED), entry.at, change, entry.actor)


def encoded(message: Message) -> str:
    """A message as JSON, without its id."""
    return _encode(message).decode()


def framed(cursor: Cursor, type: str, text: str) -> Frame:
    """A message as sent at this place of a stream; `text` is what `encoded` made of it."""
    id_ = str(cursor)
    return Frame(id_, type, f'{{"id":"{id_}",{text[1:]}')
