"""Uploads: what people send as files, read row by row; what columns mean, and the one form of each value. Stores nothing."""

from keepwell.domains.uploads.errors import UNREADABLE_UPLOAD
from keepwell.domains.uploads.models import Chunk, Format, Limits, Mapping, NormalRow, Position, RawRow, RowFault
from keepwell.domains.uploads.rules.people import Normaliser, faulty
from keepwell.domains.uploads.service import MEDIA, csv_lines, read

__all__ = [
    "MEDIA",
    "UNREADABLE_UPLOAD",
    "Chunk",
    "Format",
    "Limits",
    "Mapping",
    "NormalRow",
    "Normaliser",
    "Position",
    "RawRow",
    "RowFault",
    "csv_lines",
    "faulty",
    "read",
]
