"""Reading files as they stream in, and writing reports as they stream out."""

from keepwell.domains.uploads.service.reading import MEDIA, read
from keepwell.domains.uploads.service.writing import csv_lines

__all__ = ["MEDIA", "csv_lines", "read"]
