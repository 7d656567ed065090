"""What can go wrong at the GraphQL door before anything is executed. What goes wrong after has the codes of REST."""

from keepwell.kernel.problems import ProblemType

QUERY_MALFORMED = ProblemType(
    "query-malformed", 400, "The GraphQL document cannot be read", "Correct it at the place in locations.", kept=False
)
QUERY_INVALID = ProblemType(
    "query-invalid",
    400,
    "The GraphQL document does not fit the schema",
    "Correct it at the places in locations; each error names the rule of the GraphQL specification that was broken.",
    kept=False,
)
QUERY_TOO_LONG = ProblemType(
    "query-too-long", 400, "The GraphQL document is too long", "Send less at once; the limit is in the detail.", kept=False
)
QUERY_TOO_DEEP = ProblemType(
    "query-too-deep",
    400,
    "The GraphQL document nests too deeply",
    "Ask in several requests; the limit is in the detail.",
    kept=False,
)
QUERY_TOO_COSTLY = ProblemType(
    "query-too-costly",
    400,
    "The GraphQL document asks for too much",
    "Ask for fewer fields, or smaller parts of lists; the limit is in the detail.",
    kept=False,
)
TOO_MANY_ALIASES = ProblemType(
    "query-too-many-aliases",
    400,
    "The GraphQL document has too many aliases",
    "Ask in several requests, or use POST /v1/responses/bulk; the limit is in the detail.",
    kept=False,
)
INTROSPECTION_OFF = ProblemType(
    "introspection-off",
    403,
    "The schema is not shown here",
    "See docs/graphql-migration.md, or the REST interface at /docs.",
    kept=False,
)
LEGACY_DOOR_CLOSED = ProblemType(
    "legacy-door-closed",
    410,
    "The GraphQL door is closed",
    "Use REST: the guide says which call replaces each query and mutation.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (
    QUERY_MALFORMED,
    QUERY_INVALID,
    QUERY_TOO_LONG,
    QUERY_TOO_DEEP,
    QUERY_TOO_COSTLY,
    TOO_MANY_ALIASES,
    INTROSPECTION_OFF,
    LEGACY_DOOR_CLOSED,
)
