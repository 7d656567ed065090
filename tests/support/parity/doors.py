"""The doors, each behind the same few words: what a scenario says goes through any of them, and what comes back is put alike."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from tests.support.live import Speaker, speaking
from tests.support.parity.stage import FORM, Person, Stage

Json = dict[str, Any]
_FHIR = "/fhir/R4/QuestionnaireResponse"


class Told(NamedTuple):
    """What a door said came of a request, in the words all doors share.

    `faults` are the codes of what was wrong with which item; `current` is the version that a stale change was told.
    """

    code: str
    version: int | None = None
    replayed: bool = False
    faults: frozenset[tuple[str, str | None]] = frozenset()
    current: int | None = None
    conflicts: tuple[Any, ...] = ()
    id: UUID | None = None
    row: str | None = None

    @property
    def compared(self) -> tuple[Any, ...]:
        """All of it but ids, which no two runs have in common."""
        return (self.code, self.version, self.replayed, self.faults, self.current, self.conflicts)


class Asked(NamedTuple):
    """What is common to all requests: who asks, the version named, the idempotency key."""

    who: Person
    if_match: int | None = None
    key: str | None = None


class Door(ABC):
    """One way in. `name` is what the audit calls it."""

    name: str
    lacks: frozenset[str] = frozenset()
    """The actions that this door does not have: a scenario that needs one is not played through it."""
    enters = False
    """One is shown the response before one asks for anything: who may not see it is refused then, and asks for no more."""

    rehearses = False
    """What cannot even be said as a command here is only rehearsed, to tell what comes first: that is what the audit says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def close(self) -> None:
        """Lets go of what it holds open."""
        return

    @abstractmethod
    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told: ...

    @abstractmethod
    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told: ...

    @abstractmethod
    async def submit(self, asked: Asked, id_: UUID) -> Told: ...

    @abstractmethod
    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told: ...

    @abstractmethod
    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told: ...

    @abstractmethod
    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told: ...

    @abstractmethod
    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told: ...


def of_problem(document: Mapping[str, Any], *, replayed: bool = False) -> Told:
    """A problem document, from whatever envelope it came."""
    faults = frozenset((fault["code"], fault.get("linkId")) for fault in document.get("errors", ()))
    conflicts = tuple(tuple(sorted(each.items(), key=str)) for each in document.get("conflicts", ()))
    return Told(document["code"], None, replayed, faults, document.get("current_version"), conflicts)


class Rest(Door):
    """REST under /v1."""

    name = "http"

    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told:
        about = {} if subject is None else {"subject": subject}
        return await self._send(asked, "POST", "", {"questionnaire": questionnaire, "answers": answers, **about})

    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told:
        query = "?on_conflict=merge" if merge else "?on_conflict=refuse"
        return await self._send(asked, "PATCH", f"/{id_}{query}", {"answers": answers})

    async def submit(self, asked: Asked, id_: UUID) -> Told:
        return await self._send(asked, "POST", f"/{id_}/submit")

    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told:
        return await self._send(asked, "POST", f"/{id_}/amend", {"reason": reason, "answers": answers})

    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told:
        return await self._send(asked, "POST", f"/{id_}/void", {"reason": reason})

    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told:
        return await self._send(asked, "POST", f"/{id_}/rows", {"group": group, "answers": answers})

    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told:
        return await self._send(asked, "DELETE", f"/{id_}/rows/{row}")

    async def _send(self, asked: Asked, method: str, path: str, body: Json | None = None) -> Told:
        headers = dict(asked.who.headers)
        if asked.if_match is not None:
            headers["if-match"] = f'"{asked.if_match}"'
        if asked.key is not None:
            headers["idempotency-key"] = asked.key
        options: dict[str, Any] = {} if body is None else {"json": body}
        return of_rest(await self.stage.http.request(method, f"/v1/responses{path}", headers=headers, **options))


def of_rest(answer: httpx.Response) -> Told:
    """An answer of the REST door."""
    replayed = answer.headers.get("idempotency-replayed") == "true"
    if answer.is_error:
        return of_problem(answer.json(), replayed=replayed)
    body = answer.json()
    version = int(answer.headers["etag"].removeprefix("W/").strip('"'))
    whole = body.get("response", body)
    return Told("ok", version, replayed, id=UUID(whole["id"]), row=body.get("row"))


class Bulk(Door):
    """One operation in a bulk call."""

    name = "bulk"

    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told:
        about = {} if subject is None else {"subject": subject}
        return await self._send(asked, "create", questionnaire=questionnaire, answers=answers, **about)

    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told:
        on_conflict = "merge" if merge else "refuse"
        return await self._send(asked, "patch", id=str(id_), answers=answers, on_conflict=on_conflict)

    async def submit(self, asked: Asked, id_: UUID) -> Told:
        return await self._send(asked, "submit", id=str(id_))

    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told:
        return await self._send(asked, "amend", id=str(id_), reason=reason, answers=answers)

    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told:
        return await self._send(asked, "void", id=str(id_), reason=reason)

    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told:
        return await self._send(asked, "add-row", id=str(id_), group=group, answers=answers)

    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told:
        return await self._send(asked, "remove-row", id=str(id_), row=row)

    async def _send(self, asked: Asked, op: str, **fields: Any) -> Told:
        named = {"if_match": asked.if_match, "idempotency_key": asked.key}
        operation = {"op": op, **fields, **{name: value for name, value in named.items() if value is not None}}
        answer = await self.stage.http.post("/v1/responses/bulk", json={"operations": [operation]}, headers=asked.who.headers)
        if answer.is_error:
            return of_problem(answer.json())
        [outcome] = answer.json()["outcomes"]
        replayed = outcome.get("idempotency_replayed", False)
        if "code" in outcome:
            return of_problem(outcome["body"], replayed=replayed)
        body = outcome["body"]
        whole = body.get("response", body)
        return Told("ok", int(outcome["etag"].strip('"')), replayed, id=UUID(whole["id"]), row=body.get("row"))


class Fhir(Door):
    """FHIR R4: whoever changes something sends the whole of it, as it was at the version named but for what they change."""

    name = "fhir"
    lacks = frozenset({"merge", "rows"})
    enters = True
    rehearses = True

    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told:
        about = {} if subject is None else {"subject": {"reference": subject}}
        resource = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": questionnaire, **about}
        return await self._send(asked, "POST", "", with_answers(resource, answers))

    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told:
        return await self._put(asked, id_, answers)

    async def submit(self, asked: Asked, id_: UUID) -> Told:
        return await self._put(asked, id_, {}, status="completed")

    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told:
        return await self._put(asked, id_, answers, reason, status="amended")

    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told:
        return await self._put(asked, id_, {}, reason, status="entered-in-error")

    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told:
        raise NotImplementedError

    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told:
        raise NotImplementedError

    async def _put(self, asked: Asked, id_: UUID, answers: Json, reason: str = "", **elements: str) -> Told:
        resource = with_answers({**await self._known(id_, asked.if_match), **elements}, answers)
        why = {"x-provenance": json.dumps({"resourceType": "Provenance", "reason": [{"text": reason}]})} if reason else {}
        return await self._send(asked, "PUT", f"/{id_}", resource, **why)

    async def _known(self, id_: UUID, version: int | None) -> Json:
        """The response as it was at a version, or else is; of one that nobody has, somebody made it up."""
        for path in ([f"/{id_}/_history/{version}"] if version else []) + [f"/{id_}"]:
            answer = await self.stage.http.get(f"{_FHIR}{path}", headers=self.stage.people["clinician"].headers)
            if answer.is_success:
                return answer.json()
        return {"resourceType": "QuestionnaireResponse", "id": str(id_), "status": "in-progress"}

    async def _send(self, asked: Asked, method: str, path: str, resource: Json, **headers: str) -> Told:
        headers |= asked.who.headers
        if asked.if_match is not None:
            headers["if-match"] = f'W/"{asked.if_match}"'
        if asked.key is not None:
            headers["idempotency-key"] = asked.key
        answer = await self.stage.http.request(method, f"{_FHIR}{path}", headers=headers, json=resource)
        replayed = answer.headers.get("idempotency-replayed") == "true"
        if answer.is_error:
            return of_outcome(answer.json(), replayed=replayed)
        version = int(answer.headers["etag"].removeprefix("W/").strip('"'))
        return Told("ok", version, replayed, id=UUID(answer.json()["id"]))


def with_answers(resource: Json, answers: Json) -> Json:
    """A QuestionnaireResponse that gives these answers too, those that are None no more; all in the order of the form."""
    items = {one["linkId"]: one for one in resource.get("item", [])}
    for name, value in answers.items():
        key = "valueInteger" if isinstance(value, int) else "valueString"
        items[name] = {"linkId": name, **({} if value is None else {"answer": [{key: value}]})}
    order = [one["linkId"] for one in FORM["item"]]
    found = sorted(items.values(), key=lambda one: order.index(one["linkId"]) if one["linkId"] in order else len(order))
    return {**resource, "item": found} if found else {name: value for name, value in resource.items() if name != "item"}


def of_outcome(outcome: Json, *, replayed: bool) -> Told:
    """An OperationOutcome in place of a problem document."""
    told = {one["url"]: one for one in outcome["extension"]}
    codings = [[coding["code"] for coding in issue["details"]["coding"]] for issue in outcome["issue"]]
    link_ids = [next((one["valueString"] for one in issue.get("extension", ())), None) for issue in outcome["issue"]]
    faults = frozenset((codes[1], link_id) for codes, link_id in zip(codings, link_ids, strict=True) if codes[1:])
    current = told.get("urn:keepwell:current-version", {}).get("valueInteger")
    return Told(codings[0][0], None, replayed, faults, current)


_TYPES = {
    "questionnaire": "String!",
    "subject": "String",
    "answers": "JSON!",
    "id": "ID!",
    "row": "ID!",
    "group": "String!",
    "reason": "String!",
    "on_conflict": "String",
    "if_match": "IfMatch",
    "idempotency_key": "String",
}
"""The GraphQL types of arguments."""


class GraphQL(Door):
    """One mutation."""

    name = "graphql"

    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told:
        about = {} if subject is None else {"subject": subject}
        return await self._send(asked, "createResponse", questionnaire=questionnaire, answers=answers, **about)

    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told:
        on_conflict = "merge" if merge else "refuse"
        return await self._send(asked, "patchResponse", id=str(id_), answers=answers, on_conflict=on_conflict)

    async def submit(self, asked: Asked, id_: UUID) -> Told:
        return await self._send(asked, "submitResponse", id=str(id_))

    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told:
        return await self._send(asked, "amendResponse", id=str(id_), reason=reason, answers=answers)

    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told:
        return await self._send(asked, "voidResponse", id=str(id_), reason=reason)

    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told:
        wanted = "row version idempotency_replayed response { id }"
        return await self._send(asked, "addRow", wanted, id=str(id_), group=group, answers=answers)

    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told:
        return await self._send(asked, "removeRow", id=str(id_), row=row)

    async def _send(self, asked: Asked, field: str, wanted: str = "id version idempotency_replayed", **arguments: Any) -> Told:
        named = {"if_match": asked.if_match, "idempotency_key": asked.key}
        sent = {**arguments, **{name: value for name, value in named.items() if value is not None}}
        types = ", ".join(f"${name}: {_TYPES[name]}" for name in sent)
        passed = ", ".join(f"{name}: ${name}" for name in sent)
        query = f"mutation ({types}) {{ {field}({passed}) {{ {wanted} }} }}"
        body = {"query": query, "variables": sent}
        answer = (await self.stage.http.post("/graphql", json=body, headers=asked.who.headers)).json()
        if "errors" in answer:
            [error] = answer["errors"]
            said = error["extensions"]
            return of_problem(said, replayed=said.get("idempotency_replayed", False))
        told = answer["data"][field]
        id_ = told.get("response", told)["id"]
        return Told("ok", told["version"], told["idempotency_replayed"], id=UUID(id_), row=told.get("row"))


class WebSocket(Door):
    """The room of a response. One connection for each person and response, kept until the end."""

    name = "websocket"
    lacks = frozenset({"create"})
    enters = True

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._open = AsyncExitStack()
        self._speakers: dict[tuple[str, UUID], Speaker] = {}

    async def close(self) -> None:
        await self._open.aclose()

    async def create(self, asked: Asked, questionnaire: str, answers: Json, subject: str | None = None) -> Told:
        return await Rest(self.stage).create(asked, questionnaire, answers, subject)

    async def patch(self, asked: Asked, id_: UUID, answers: Json, *, merge: bool = False) -> Told:
        return await self._send(asked, id_, "patch", answers=answers, on_conflict="merge" if merge else "refuse")

    async def submit(self, asked: Asked, id_: UUID) -> Told:
        return await self._send(asked, id_, "submit")

    async def amend(self, asked: Asked, id_: UUID, reason: str, answers: Json) -> Told:
        return await self._send(asked, id_, "amend", reason=reason, answers=answers)

    async def void(self, asked: Asked, id_: UUID, reason: str) -> Told:
        return await self._send(asked, id_, "void", reason=reason)

    async def add_row(self, asked: Asked, id_: UUID, group: str, answers: Json) -> Told:
        return await self._send(asked, id_, "add-row", group=group, answers=answers)

    async def remove_row(self, asked: Asked, id_: UUID, row: str) -> Told:
        return await self._send(asked, id_, "remove-row", row=row)

    async def _send(self, asked: Asked, id_: UUID, type_: str, **fields: Any) -> Told:
        speaker = self._speakers.get((asked.who.name, id_))
        if speaker is None:
            speaker = await self._open.enter_async_context(speaking(self.stage.base, str(id_), asked.who.headers))
            await speaker.until(lambda one: one.received or one.code is not None)
            self._speakers[asked.who.name, id_] = speaker
        if speaker.received[0]["type"] == "problem":
            return of_problem(speaker.received[0]["data"])
        named = {"if_match": asked.if_match, "idempotency_key": asked.key}
        answer = await speaker.ask(type_, **fields, **{name: value for name, value in named.items() if value is not None})
        data = answer["data"]
        if answer["type"] == "problem":
            return of_problem(data, replayed=data.get("replayed", False))
        return Told("ok", data["version"], data.get("replayed", False), id=id_, row=data.get("row"))
