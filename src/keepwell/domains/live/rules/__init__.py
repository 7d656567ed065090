"""What holds in a live room, whatever it runs on: where a stream goes on, what is said of a change, how fast one may speak."""

from keepwell.domains.live.rules.cursors import Cursor, read_cursor
from keepwell.domains.live.rules.pace import Pace
from keepwell.domains.live.rules.telling import encoded, framed, told

__all__ = ["Cursor", "Pace", "encoded", "framed", "read_cursor", "told"]
