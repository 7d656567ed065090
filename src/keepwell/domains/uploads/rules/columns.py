"""What the columns of a file mean: by their own names, by those a program says, by those that are in use. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from unicodedata import normalize

from keepwell.domains.uploads.models import FIELDS, Mapping

_SEPARATORS = re.compile(r"[\s_\-./:]+")
_IN_USE: dict[str, tuple[str, ...]] = {
    "external_id": (
        "external identifier",
        "patient id",
        "participant id",
        "person id",
        "member id",
        "MRN",
        "medical record number",
    ),
    "given_name": ("given", "given names", "first name", "forename", "vorname"),
    "family_name": ("family", "last name", "surname", "nachname"),
    "birth_date": ("birthday", "date of birth", "DOB", "geburtsdatum"),
    "email": ("e-mail", "email address", "e-mail address", "mail"),
    "phone": ("phone number", "telephone", "telephone number", "mobile", "mobile phone", "tel"),
    "time_zone": ("zone", "tz"),
}


def plain(name: str) -> str:
    """A name of a column without regard to case, spaces, underscores, hyphens and dots."""
    return _SEPARATORS.sub("", normalize("NFKC", name).casefold())


class Columns:
    """What names of columns mean under one mapping.

    A column that bears a field's own name comes before one with a name the program says, and that before one with a name in
    use; those that come second are attributes.
    """

    def __init__(self, mapping: Mapping) -> None:
        own = {plain(name): (name, 0) for name in FIELDS}
        said = {plain(text): (name, 1) for name, texts in mapping.columns.items() if name in FIELDS for text in texts}
        used = {plain(text): (name, 2) for name, texts in _IN_USE.items() for text in texts}
        self._meant = {**used, **said, **own}

    def targets(self, names: Sequence[str]) -> tuple[str, ...]:
        """The field or attribute that each column fills, in order. Two may come out the same: see `doubled`."""
        meant = [self._meant.get(plain(name)) for name in names]
        best: dict[str, int] = {}
        for found in meant:
            if found is not None:
                best[found[0]] = min(found[1], best.get(found[0], found[1]))
        pairs = zip(names, meant, strict=True)
        return tuple(found[0] if found is not None and best[found[0]] == found[1] else attribute(name) for name, found in pairs)

    def is_field(self, name: str) -> bool:
        """Whether a name says a field at all."""
        return plain(name) in self._meant


def attribute(name: str) -> str:
    """The name under which a column that is no field is kept."""
    return normalize("NFC", " ".join(name.split()))


def doubled(targets: Sequence[str]) -> Iterator[int]:
    """The places, from 0, of columns that mean what one before them means."""
    times = Counter[str]()
    for place, target in enumerate(targets):
        times[target] += 1
        if times[target] > 1:
            yield place
