"""OpenAPI 3.1 from the endpoint table: what is served and what is described are one list."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from keepwell.kernel.http.components import HEADERS, Components, described, header_ref, phrase
from keepwell.kernel.http.cookies import OVER_TLS
from keepwell.kernel.http.endpoint import FORM, Endpoint
from keepwell.kernel.http.errors import HEADERS_TOO_LARGE, REQUEST_TIMEOUT
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
    RATE_LIMITED,
    TENANT_DESTROYED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    VERSION_CONFLICT,
    Fault,
    ProblemType,
    Refusal,
)

_PARAMETER = re.compile(r"\{([A-Za-z_]+)(?::[a-z]+)?\}")
_EXAMPLE_ID = "01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61"
_DESCRIPTION = (
    "A multi-tenant health-information backend. Errors are problem details (RFC 9457): see /problems. "
    "What may change under /v1, and how you are told, is said in the project's docs/versioning.md."
)
_SHOWN = (
    Refusal(INVALID_BODY, faults=(Fault("/answers", "required", "This field is required"),)),
    Refusal(INVALID_PARAMETER, faults=(Fault("?limit", "wrong-type", "Expected `int`, got `str`"),)),
    Refusal(VERSION_CONFLICT, extra={"current_version": 4}),
)
"""What the shared problems say besides, for their examples."""


def document(endpoints: Sequence[Endpoint], version: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these endpoints: every status declared, closed schemas where the server refuses more.

    `tags` say what the operations of a tag have in common; those it does not name stand without words.
    """
    components = Components(endpoints, _SHOWN)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(_PARAMETER.sub(r"{\1}", endpoint.path), {})[endpoint.method.lower()] = _operation(endpoint, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keepwell",
            "version": version,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/", "description": "The server that this document comes from"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "tags": [
            {"name": tag, **({"description": tags[tag]} if tag in tags else {})}
            for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)
        ],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "responses": components.responses,
            "examples": components.examples,
            "headers": dict(HEADERS),
            "securitySchemes": {"bearer": _BEARER, "cookie": _COOKIE},
        },
    }


def problems_of(endpoint: Endpoint) -> tuple[ProblemType, ...]:
    """Every problem type this endpoint can answer with: its own and those of its shape."""
    kinds: list[ProblemType] = [INVALID_PARAMETER, INVALID_HEADER, INTERNAL, OVERLOADED, UNAVAILABLE, HEADERS_TOO_LARGE]
    if endpoint.rate is not None:
        kinds.append(RATE_LIMITED)
    if not endpoint.public:
        kinds += [UNAUTHENTICATED, FORBIDDEN, TENANT_DESTROYED]
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


def _operation(endpoint: Endpoint, components: Components) -> dict[str, Any]:
    name, example = _operation_id(endpoint), endpoint.example
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint, components),
        "responses": _responses(endpoint, name, components),
    }
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": components.of(endpoint.body)}
        if example.body is not None:
            content["examples"] = {"usual": components.example(f"{name}.body", example.body)}
        operation["requestBody"] = {
            "required": endpoint.body_required and endpoint.takes != FORM,
            "content": {endpoint.takes: content},
        }
    if endpoint.uploads:
        media: dict[str, dict[str, Any]] = {each: {"schema": {"type": "string"}} for each in endpoint.uploads}
        media[endpoint.uploads[0]]["examples"] = {"usual": components.example(f"{name}.body", example.body)}
        operation["requestBody"] = {"required": True, "content": media}
    if endpoint.public:
        operation["security"] = []
    if endpoint.deprecated is not None:
        operation["deprecated"] = True
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _PARAMETER.sub(r"by \1", endpoint.path))
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint, components: Components) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for name in _PARAMETER.findall(endpoint.path):
        schema = {"type": "string", "format": "uuid"} if name == "id" else {"type": "string"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    if endpoint.query is not None:
        properties, required = components.fields(endpoint.query)
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
        parameters.append(_header("If-None-Match", '^(W/)?"[!#-~]*"$', "The ETag already held: 304 when still current."))
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


def _responses(endpoint: Endpoint, name: str, components: Components) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    example, first = endpoint.example.answer, next(iter(endpoint.answers.values()), None)
    for status, kind in endpoint.answers.items():
        response: dict[str, Any] = {"description": phrase(status), "headers": _success_headers(endpoint, status)}
        if kind is not None:
            content: dict[str, Any] = {"schema": components.of(kind) if described(kind) else {"type": "string"}}
            if example is not None and kind is first:
                content["examples"] = {"usual": components.example(f"{name}.answer", example)}
            response["content"] = {endpoint.media: content}
        responses[str(status)] = response
    if endpoint.etag and not endpoint.writes:
        responses["304"] = {"description": phrase(304), "headers": _success_headers(endpoint, 304)}
    by_status: dict[int, list[ProblemType]] = {}
    for kind in problems_of(endpoint):
        by_status.setdefault(kind.status, []).append(kind)
    path = _PARAMETER.sub(lambda found: _EXAMPLE_ID if found[1] == "id" else found[1], endpoint.path)
    for status, kinds in sorted(by_status.items()):
        if str(status) not in responses:
            responses[str(status)] = components.refused(status, kinds, path, endpoint.refused_as)
    return responses


def _success_headers(endpoint: Endpoint, status: int) -> dict[str, Any]:
    names = ["X-Request-ID"]
    if endpoint.rate is not None:
        names += ["RateLimit-Policy", "RateLimit"]
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
    return {name: header_ref(name) for name in names}


_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token that POST /v1/auth/login or /v1/auth/refresh gave. It lives some minutes.",
}
_COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": OVER_TLS,
    "description": (
        "For pages of this server: what POST /v1/auth/login gave with `cookies: true`. It counts only in requests of the same "
        "origin. A browser that sends neither Sec-Fetch-Site nor Origin has to send X-Requested-With to change something."
    ),
}
