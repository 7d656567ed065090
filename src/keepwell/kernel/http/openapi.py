"""OpenAPI 3.1 from the endpoint table: what is served and what is described are one list."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from keepwell.kernel.http.endpoint import Endpoint
from keepwell.kernel.http.errors import HEADERS_TOO_LARGE, REQUEST_TIMEOUT
from keepwell.kernel.http.render import PROBLEM_JSON, needs_retry_after
from keepwell.kernel.problems import (
    BODY_TOO_LARGE,
    FORBIDDEN,
    IDEMPOTENCY_KEY_IN_USE,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL,
    INVALID_BODY,
    INVALID_HEADER,
    INVALID_PARAMETER,
    MALFORMED_JSON,
    NOT_FOUND,
    OUTCOME_UNKNOWN,
    OVERLOADED,
    PRECONDITION_REQUIRED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    VERSION_CONFLICT,
    Fault,
    ProblemType,
)

_PARAMETER = re.compile(r"\{([A-Za-z_]+)(?::[a-z]+)?\}")
_REF = "#/components/schemas/{name}"


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


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these endpoints: every status declared, closed schemas where the server refuses more."""
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(_PARAMETER.sub(r"{\1}", endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keepwell",
            "version": version,
            "description": "A multi-tenant health-information backend. Errors are problem details (RFC 9457): see /problems.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": _HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def problems_of(endpoint: Endpoint) -> tuple[ProblemType, ...]:
    """Every problem type this endpoint can answer with: its own and those of its shape."""
    kinds: list[ProblemType] = [INVALID_PARAMETER, INVALID_HEADER, INTERNAL, OVERLOADED, UNAVAILABLE, HEADERS_TOO_LARGE]
    if not endpoint.public:
        kinds += [UNAUTHENTICATED, FORBIDDEN]
    if "{" in endpoint.path:
        kinds.append(NOT_FOUND)
    if endpoint.body is not None or endpoint.writes:
        kinds += [MALFORMED_JSON, INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, REQUEST_TIMEOUT]
    if endpoint.writes:
        kinds.append(OUTCOME_UNKNOWN)
        if endpoint.idempotent:
            kinds += [IDEMPOTENCY_KEY_IN_USE, IDEMPOTENCY_KEY_REUSED]
    if endpoint.guarded:
        kinds += [PRECONDITION_REQUIRED, VERSION_CONFLICT]
    return tuple(dict.fromkeys((*kinds, *endpoint.problems)))


class _Schemas:
    """JSON schemas of every type the table mentions, each under its own name."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        types: list[Any] = [Problem]
        for endpoint in endpoints:
            types += [kind for kind in (endpoint.body, endpoint.query, *endpoint.answers.values()) if _described(kind)]
        unique = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(unique, ref_template=_REF)
        self._by_type = dict(zip(unique, schemas, strict=True))

    def of(self, kind: Any) -> dict[str, Any]:
        return self._by_type[kind]

    def fields(self, kind: type[Any]) -> tuple[dict[str, Any], set[str]]:
        """The schemas of a query struct's fields, by name, and the names of the required ones."""
        schema = self._by_type[kind]
        if "$ref" in schema:
            schema = self.components[schema["$ref"].rsplit("/", 1)[-1]]
        return schema["properties"], set(schema.get("required", ()))


def _described(kind: Any) -> bool:
    return kind is not None and kind is not bytes


def _operation(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {endpoint.takes: {"schema": schemas.of(endpoint.body)}}}
    if endpoint.public:
        operation["security"] = []
    if endpoint.deprecated is not None:
        operation["deprecated"] = True
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _PARAMETER.sub(r"by \1", endpoint.path))
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint, schemas: _Schemas) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for name in _PARAMETER.findall(endpoint.path):
        schema = {"type": "string", "format": "uuid"} if name == "id" else {"type": "string"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    if endpoint.query is not None:
        properties, required = schemas.fields(endpoint.query)
        for name, schema in properties.items():
            parameters.append({"name": name, "in": "query", "required": name in required, "schema": _sent_as_text(schema)})
    named = "Names the request in logs, with 1-128 of `[A-Za-z0-9._-]`; anything else is replaced, as if absent."
    parameters.append(_header("X-Request-ID", "", named))
    if not endpoint.public:
        seen = "The token of an earlier answer, or several: reads show nothing older than what came with them."
        parameters.append(_header("X-Keepwell-Position", "", seen))
    parameters += [_header(each.name, each.pattern, each.description) for each in endpoint.headers]
    if endpoint.guarded:
        version = '^((W/)?"(0|[1-9][0-9]{0,17})"|0|[1-9][0-9]{0,17})$'
        tag = _header("If-Match", version, "The ETag of the version this change was made from.")
        parameters.append({**tag, "required": True})
    if endpoint.etag and not endpoint.writes:
        parameters.append(
            _header("If-None-Match", '^(W/)?"(0|[1-9][0-9]{0,17})"$', "The ETag already held: 304 when still current.")
        )
    if endpoint.writes and endpoint.idempotent:
        parameters.append(_header("Idempotency-Key", "^[!-~]{1,255}$", "Sent again, the same request is applied once."))
    return parameters


def _sent_as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is there or not: it cannot be null."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    if len(options) == 1:
        return {**options[0], **rest}
    return {**rest, "anyOf": options} if options else rest


def _header(name: str, pattern: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern} if pattern else {"type": "string"}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _responses(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in endpoint.answers.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": _success_headers(endpoint, status)}
        if kind is not None:
            schema = schemas.of(kind) if _described(kind) else {"type": "string"}
            response["content"] = {endpoint.media: {"schema": schema}}
        responses[str(status)] = response
    if endpoint.etag and not endpoint.writes:
        responses["304"] = {"description": "Not Modified", "headers": _success_headers(endpoint, 304)}
    by_status: dict[int, list[ProblemType]] = {}
    for kind in problems_of(endpoint):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        responses.setdefault(str(status), _problem_response(kinds, schemas))
    return responses


def _problem_response(kinds: list[ProblemType], schemas: _Schemas) -> dict[str, Any]:
    headers = {"X-Request-ID": _header_ref("X-Request-ID")}
    if all(needs_retry_after(kind) for kind in kinds):
        headers["Retry-After"] = _header_ref("Retry-After")
    lines = [f"`{kind.code}`: {kind.title}" for kind in kinds]
    return {
        "description": "; ".join(lines),
        "headers": headers,
        "content": {PROBLEM_JSON: {"schema": schemas.of(Problem)}},
    }


def _success_headers(endpoint: Endpoint, status: int) -> dict[str, Any]:
    names = ["X-Request-ID"]
    if not endpoint.public:
        names.append("X-Keepwell-Position")
    if endpoint.etag:
        names.append("ETag")
    if status == 201:
        names.append("Location")
    if endpoint.writes and endpoint.idempotent:
        names.append("Idempotency-Replayed")
    if endpoint.deprecated is not None:
        names += ["Deprecation", "Sunset", "Link"]
    return {name: _header_ref(name) for name in names}


def _header_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


_HEADERS: dict[str, Any] = {
    "X-Request-ID": {"required": True, "description": "The request's name in every log line.", "schema": {"type": "string"}},
    "ETag": {"required": True, "description": "The version, quoted.", "schema": {"type": "string"}},
    "X-Keepwell-Position": {
        "description": "Where replicas answer: a token to send with later requests, to read one's own writes. Also a cookie.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Where the new resource is.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true`: answered before, to the same key.", "schema": {"const": "true"}},
    "Deprecation": {
        "required": True,
        "description": "Since when it should not be used (RFC 9745).",
        "schema": {"type": "string"},
    },
    "Sunset": {"required": True, "description": "Until when it will be there (RFC 8594).", "schema": {"type": "string"}},
    "Link": {"required": True, "description": "A guide away from here, and what replaces it.", "schema": {"type": "string"}},
    "Retry-After": {"required": True, "description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}
