"""The HTTP door of keys. No answer that holds a key is ever compressed."""

import msgspec

from keepwell.domains.keys.errors import INVALID_KEY, INVALID_SIGNATURE, KEY_REPLACED, KEY_REVOKED, SCOPE_NOT_HELD
from keepwell.domains.keys.models import ChangeKey, KeyView, RevokeKey
from keepwell.domains.keys.routes import examples
from keepwell.domains.keys.routes.bodies import (
    ActivityPart,
    ExpiringPart,
    IssuedKey,
    KeyChange,
    KeyCreation,
    KeyList,
    KeyRotation,
    KeyUseList,
    LeakedToken,
    UnusedPart,
)
from keepwell.domains.keys.service import Finding, Issued, KeyActivity, KeyService, creation, replacement
from keepwell.kernel.http import Answer, Call, Endpoint, Part, RequestHeader, answer, page_of, part_of
from keepwell.kernel.problems import CONFLICT, NOT_FOUND

_TAG = "Keys"
_SMALL = 32_000
_IDENTIFIER = RequestHeader("Github-Public-Key-Identifier", "Which of the reporter's keys signed the body.")
_SIGNATURE = RequestHeader("Github-Public-Key-Signature", "ECDSA over P-256 and SHA-256 of the body as sent, DER in base64.")


class _Keys:
    def __init__(self, service: KeyService) -> None:
        self._service = service
        self._keeper = service.keeper

    async def create(self, call: Call) -> Answer:
        body: KeyCreation = call.body
        command = creation(body.name, body.scopes, body.allowed_addresses, body.expires_at)
        return _issued(await self._keeper.create(call.envelope(command)))

    async def rotate(self, call: Call) -> Answer:
        body: KeyRotation = call.body
        command, successor = replacement(call.id, body.overlap_s, body.expires_at)
        return _issued(await self._keeper.rotate(call.envelope(command), successor))

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._keeper.page(call.actor, call.origin, part.cursor, part.limit + 1)
        return Answer(200, KeyList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        key = await self._keeper.get(call.actor, call.id, call.origin)
        return Answer(200, key, {"etag": f'"{key.version}"'})

    async def unused(self, call: Call) -> Answer:
        part: UnusedPart = call.query
        found = await self._keeper.unused(call.actor, call.origin, part.days)
        return Answer(200, KeyUseList(*part_of(found, lambda use: use.key.id, part.limit, part.cursor)))

    async def expiring(self, call: Call) -> Answer:
        part: ExpiringPart = call.query
        found = await self._keeper.expiring(call.actor, call.origin, part.days)
        return Answer(200, KeyList(*part_of(found, lambda key: key.id, part.limit, part.cursor)))

    async def activity(self, call: Call) -> Answer:
        return Answer(200, await self._service.activity.of(call.actor, call.id, call.origin, call.query.since))

    async def change(self, call: Call) -> Answer:
        body: KeyChange = call.body
        return answer(await call.execute(ChangeKey(call.id, body.name, body.expires_at)))

    async def revoke(self, call: Call) -> Answer:
        return answer(await call.execute(RevokeKey(call.id, "revoked")))

    async def leaks(self, call: Call) -> Answer:
        reports: list[LeakedToken] = call.body
        identifier, signature = (call.headers.get(each.name.lower(), "") for each in (_IDENTIFIER, _SIGNATURE))
        await self._service.reporters.check(identifier, signature, call.content)
        findings = [Finding(each.token, "secret scanning", each.url or "") for each in reports]
        await self._service.leaks.respond(findings, call.origin)
        return Answer(204)


def _issued(issued: Issued) -> Answer:
    outcome = issued.outcome
    made = answer(outcome, 201, f"/v1/keys/{outcome.id}")
    key = msgspec.json.decode(outcome.body, type=KeyView)
    return Answer(201, IssuedKey(issued.text, key), made.headers)


def endpoints(service: KeyService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    keys = _Keys(service)
    return (*_making(keys), *_reads(keys), *_reports(keys), *_changes(keys))


def _making(keys: _Keys) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/keys",
            keys.create,
            "Make a key, and with it a service account",
            _TAG,
            body=KeyCreation,
            answers={201: IssuedKey},
            problems=(INVALID_KEY, SCOPE_NOT_HELD),
            body_limit=_SMALL,
            etag=True,
            compressed=False,
            example=examples.CREATE,
        ),
        Endpoint(
            "POST",
            "/v1/keys/{id}/rotate",
            keys.rotate,
            "Make the key that replaces this one, which still works for a while",
            _TAG,
            body=KeyRotation,
            answers={201: IssuedKey},
            problems=(INVALID_KEY, SCOPE_NOT_HELD, KEY_REPLACED, CONFLICT, NOT_FOUND),
            body_limit=_SMALL,
            etag=True,
            compressed=False,
            example=examples.ROTATE,
        ),
        Endpoint(
            "POST",
            "/v1/keys/leaks",
            keys.leaks,
            "Report keys found where they must not be: each is revoked, and an incident opened",
            _TAG,
            body=list[LeakedToken],
            answers={204: None},
            problems=(INVALID_SIGNATURE,),
            public=True,
            signed=True,
            idempotent=False,
            headers=(_IDENTIFIER, _SIGNATURE),
            example=examples.LEAKS,
        ),
    )


def _reads(keys: _Keys) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/keys",
            keys.page,
            "List the clinic's keys, the newest first",
            _TAG,
            query=Part,
            answers={200: KeyList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/keys/{id}",
            keys.show,
            "Show a key, without its text",
            _TAG,
            answers={200: KeyView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/keys/{id}/activity",
            keys.activity,
            "Tell everything that was done with a key",
            _TAG,
            query=ActivityPart,
            answers={200: KeyActivity},
            compressed=False,
            example=examples.ACTIVITY,
        ),
    )


def _reports(keys: _Keys) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/keys/unused",
            keys.unused,
            "List keys that work and that nobody has used for days",
            _TAG,
            query=UnusedPart,
            answers={200: KeyUseList},
            compressed=True,
            example=examples.UNUSED,
        ),
        Endpoint(
            "GET",
            "/v1/keys/expiring",
            keys.expiring,
            "List keys that end within days",
            _TAG,
            query=ExpiringPart,
            answers={200: KeyList},
            compressed=True,
            example=examples.PAGE,
        ),
    )


def _changes(keys: _Keys) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "PATCH",
            "/v1/keys/{id}",
            keys.change,
            "Rename a key, or let it end at another time",
            _TAG,
            body=KeyChange,
            answers={200: KeyView},
            problems=(INVALID_KEY, SCOPE_NOT_HELD, KEY_REVOKED),
            body_limit=_SMALL,
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.CHANGE,
        ),
        Endpoint(
            "POST",
            "/v1/keys/{id}/revoke",
            keys.revoke,
            "End a key at once",
            _TAG,
            answers={200: KeyView},
            etag=True,
            compressed=True,
            example=examples.REVOKE,
        ),
    )
