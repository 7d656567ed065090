"""Where participants are found: by external id, and by tokens of their identifiers and names. All of it keyed."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, cast
from unicodedata import normalize
from uuid import UUID

import msgspec

from keepwell.domains.participants.models import Details, Participant
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot
from keepwell.kit.fhir.tokens import identifier_token

_encode = msgspec.json.Encoder(order="deterministic").encode
_SPOKEN = "SELECT id, enrolled_index FROM participant WHERE tenant_id = current_tenant() AND id = ANY($1)"


async def spoken(connection: Any, ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
    """Of each of these participants that is there, the index of what a batch said of it last, if nobody spoke since."""
    return {row["id"]: row["enrolled_index"] for row in await connection.fetch(_SPOKEN, ids)}


@lru_cache(maxsize=4_096)
def external_system(program: UUID | None) -> str:
    """The FHIR system of the external ids of a program, and of those outside any."""
    return "urn:keepwell:external-id" if program is None else f"urn:uuid:{program}"


def external_token(external_id: str) -> str:
    """What the index of an external id is made of."""
    return f"external:{external_id}"


def enrolled_token(said: Details) -> str:
    """What the index of what a row of a batch said is made of: equal for equal rows."""
    return f"enrolled:{_encode(said).decode()}"


def name_token(part: str, text: str, *, exact: bool) -> str:
    """What the token of a `family` or `given` name is made of: just as it is written, or however it is."""
    return f"{part}-exact:{text}" if exact else f"{part}:{folded(text)}"


def folded(text: str) -> str:
    """A name however it is written: without regard to case, width and the number of spaces."""
    return " ".join(normalize("NFKC", text).casefold().split())


def _tokens(state: Participant) -> Iterator[str]:
    said = _dictionaries(state.elements.get("identifier")) if state.elements else ()
    identifiers = [(one.get("system", ""), one.get("value")) for one in said]
    for system, value in (*identifiers, (external_system(state.program), state.external_id)):
        if value is not None:
            yield identifier_token(system, value)
            yield identifier_token(None, value)
    for part, text in _names(state):
        yield name_token(part, text, exact=True)
        yield name_token(part, text, exact=False)


def _names(state: Participant) -> Iterator[tuple[str, str]]:
    for part, text in (("family", state.family_name), ("given", state.given_name)):
        if text is not None:
            yield part, text
    for name in _dictionaries(state.elements.get("name")) if state.elements else ():
        if "family" in name:
            yield "family", name["family"]
        for given in name.get("given", ()):
            if given is not None:  # there may be extensions only
                yield "given", given


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", value or [])


def _row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[Any, ...]:
    state: Participant = snapshot.state
    external = None if state.external_id is None else blind(external_token(state.external_id))
    spoken = None if state.enrollment is None else blind(enrolled_token(state.enrollment.said))
    tokens = b"" if state.withdrawn else b"".join(sorted({blind(token) for token in _tokens(state)}))
    return (state.program, None if state.withdrawn else external, tokens, spoken, not state.withdrawn)


LOOKUP = Lookup(
    table="participant",
    columns={
        "program": "uuid",
        "external_index": "bytea",
        "tokens": "bytea",
        "enrolled_index": "bytea",
        "active": "boolean",
    },
    row=_row,
)
FINDER = Finder(
    kind="participant",
    table="participant",
    columns={
        "program": "t.program",
        "external": "t.external_index",
        "active": "t.active",
        "token": "EXISTS (SELECT FROM participant_token k WHERE k.tenant_id = t.tenant_id AND k.id = t.id AND k.token = {})",
    },
)
