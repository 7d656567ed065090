"""The nouns of this room: which REST call each query and mutation is, how long the door stays, and who still uses it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

GUIDE = "/docs/graphql-migration"
"""Where the server shows the way out."""
SINCE = datetime(2026, 11, 25, tzinfo=UTC)
SUNSET = datetime(2027, 6, 30, tzinfo=UTC)


class Translation(msgspec.Struct, frozen=True):
    """A root field, and the REST call that it is.

    Arguments have the names they have there: those in the braces of `path`, those of `query`, and those of `body`; or the one
    argument `whole` is the body. Every mutation takes `idempotency_key` and `if_match` besides.
    """

    field: str
    method: str
    path: str
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    whole: str = ""

    @property
    def replaced_by(self) -> str:
        """The REST call in words."""
        return f"{self.method} {self.path}"


QUERIES: tuple[Translation, ...] = (
    Translation("questionnaire", "GET", "/v1/questionnaires/{id}"),
    Translation("questionnaires", "GET", "/v1/questionnaires", query=("status", "url", "limit", "cursor")),
    Translation("response", "GET", "/v1/responses/{id}", query=("version", "at")),
    Translation("responses", "GET", "/v1/responses", query=("questionnaire", "subject", "status", "limit", "cursor")),
    Translation("history", "GET", "/v1/responses/{id}/history", query=("limit", "cursor")),
    Translation("diff", "GET", "/v1/responses/{id}/diff", query=("from", "to")),
)
MUTATIONS: tuple[Translation, ...] = (
    Translation("createQuestionnaire", "POST", "/v1/questionnaires", whole="resource"),
    Translation("replaceQuestionnaire", "PUT", "/v1/questionnaires/{id}", whole="resource"),
    Translation("publishQuestionnaire", "POST", "/v1/questionnaires/{id}/publish"),
    Translation("retireQuestionnaire", "POST", "/v1/questionnaires/{id}/retire"),
    Translation("createResponse", "POST", "/v1/responses", body=("questionnaire", "subject", "answers")),
    Translation("patchResponse", "PATCH", "/v1/responses/{id}", query=("on_conflict",), body=("answers",)),
    Translation("addRow", "POST", "/v1/responses/{id}/rows", body=("group", "answers")),
    Translation("removeRow", "DELETE", "/v1/responses/{id}/rows/{row}", query=("on_conflict",)),
    Translation("submitResponse", "POST", "/v1/responses/{id}/submit"),
    Translation("amendResponse", "POST", "/v1/responses/{id}/amend", body=("reason", "answers")),
    Translation("voidResponse", "POST", "/v1/responses/{id}/void", body=("reason",)),
)
TRANSLATIONS = {each.field: each for each in (*QUERIES, *MUTATIONS)}


class Use(msgspec.Struct, frozen=True):
    """What one client (an account's id) still asks for through the old door, and the REST call that replaces it."""

    operation: str
    client: UUID
    count: int
    first_at: datetime
    last_at: datetime
    replaced_by: str
