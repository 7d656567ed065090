"""What the OpenAPI document says once and refers to: shapes, examples, and the answers that many operations have in common."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from keepwell.kernel.http.endpoint import Endpoint, RefusalForm
from keepwell.kernel.http.render import PROBLEM_JSON, needs_retry_after, problem
from keepwell.kernel.problems import Fault, ProblemType, Refusal

_SCHEMAS = "#/components/schemas/{name}"
_REQUEST_ID = "01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25"


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An error (RFC 9457). `code` is stable; further members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[Fault] = []


_AS_PROBLEM = RefusalForm(PROBLEM_JSON, Problem, problem)


class Components:
    """The shared parts of one document, each under its own name.

    `shown` are refusals to show instead of bare ones, unless an endpoint has an example of the same type.
    """

    def __init__(self, endpoints: Sequence[Endpoint], shown: Iterable[Refusal]) -> None:
        types: list[Any] = [Problem]
        for endpoint in endpoints:
            refused = () if endpoint.refused_as is None else (endpoint.refused_as.shape,)
            types += [kind for kind in (endpoint.body, endpoint.query, *endpoint.answers.values(), *refused) if described(kind)]
        unique = list(dict.fromkeys(types))
        schemas, self.schemas = msgspec.json.schema_components(unique, ref_template=_SCHEMAS)
        self.examples: dict[str, Any] = {}
        self.responses: dict[str, Any] = {}
        self._by_type = dict(zip(unique, schemas, strict=True))
        refusals = (*shown, *(refusal for endpoint in endpoints for refusal in endpoint.example.problems))
        self._shown = {refusal.code: refusal for refusal in refusals}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type."""
        return self._by_type[kind]

    def fields(self, kind: type[Any]) -> tuple[dict[str, Any], set[str]]:
        """The schemas of a query struct's fields, by name, and the names of the required ones."""
        schema = self._by_type[kind]
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[-1]]
        return schema["properties"], set(schema.get("required", ()))

    def example(self, name: str, value: Any) -> dict[str, Any]:
        """A reference to an example; to an earlier one, under whatever name, that is the same."""
        shown = {"value": _as_sent(value)}
        name = next((known for known, each in self.examples.items() if each == shown), name)
        self.examples.setdefault(name, shown)
        return {"$ref": f"#/components/examples/{name}"}

    def refused(self, status: int, kinds: Sequence[ProblemType], path: str, form: RefusalForm | None = None) -> dict[str, Any]:
        """A reference to the answer of this status that is one of these problems. `path` is one where they may occur."""
        form = form or _AS_PROBLEM
        examples = {kind.code: self._refusal(form, kind, path) for kind in kinds}
        schema = self.of(form.shape)
        if form is _AS_PROBLEM:
            schema = {"allOf": [schema, {"properties": {"code": {"enum": list(examples)}}}]}
        headers = {"X-Request-ID": header_ref("X-Request-ID")}
        if all(needs_retry_after(kind) for kind in kinds):
            headers["Retry-After"] = header_ref("Retry-After")
        response = {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
            "headers": headers,
            "content": {form.media: {"schema": schema, "examples": examples}},
        }
        alike = [name for name in self.responses if name.startswith(f"{status}.")]
        name = next((each for each in alike if self.responses[each] == response), f"{status}.{len(alike) + 1}")
        self.responses.setdefault(name, response)
        return {"$ref": f"#/components/responses/{name}"}

    def _refusal(self, form: RefusalForm, kind: ProblemType, path: str) -> dict[str, Any]:
        name = kind.code if form is _AS_PROBLEM else f"{kind.code}.{form.shape.__name__}"
        if name not in self.examples:
            body = form.made(self._shown.get(kind.code, Refusal(kind)), path, _REQUEST_ID).body
            value = msgspec.json.decode(body) if isinstance(body, bytes) else _as_sent(body)
            self.examples[name] = {"summary": kind.title, "value": value}
        return {"$ref": f"#/components/examples/{name}"}


def _as_sent(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def described(kind: Any) -> bool:
    """Whether an answer of this type has a shape to describe."""
    return kind is not None and kind is not bytes


def header_ref(name: str) -> dict[str, str]:
    """A reference to a header of answers."""
    return {"$ref": f"#/components/headers/{name}"}


def phrase(status: int) -> str:
    """The status in words."""
    return HTTPStatus(status).phrase


_VERSION_TAG = "The version, quoted, or for a document the name of its content; `W/` before it when the answer is compressed."
HEADERS: Mapping[str, Any] = {
    "X-Request-ID": {"required": True, "description": "The request's name in every log line.", "schema": {"type": "string"}},
    "ETag": {"required": True, "description": _VERSION_TAG, "schema": {"type": "string"}},
    "X-Keepwell-Position": {
        "description": "Where replicas answer: a token to send with later requests, to read one's own writes. Also a cookie.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Where the new resource is.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true`: answered before, to the same key.", "schema": {"const": "true"}},
    "RateLimit-Policy": {
        "description": 'Every limit this counts under: `"user";q=1000;w=10` is 1,000 at once, which come back in 10 seconds.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'The limit nearest to its end: `"user";r=950;t=1` leaves 950 now, and is whole again in 1 second.',
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "required": True,
        "description": "Since when it should not be used (RFC 9745).",
        "schema": {"type": "string"},
    },
    "Sunset": {"required": True, "description": "Until when it will be there (RFC 8594).", "schema": {"type": "string"}},
    "Link": {"required": True, "description": "A guide away from here, and what replaces it.", "schema": {"type": "string"}},
    "Retry-After": {"required": True, "description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}
