"""Plants canaries through every route of a running server: where they belong, and where they do not."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
from websockets.sync.client import connect

from tests.support.canary import Canaries, Sighting
from tests.support.forms import form, item, real_form
from tests.support.load import PASSWORD
from tests.support.manners import assert_mannered

FLAG = "replica-reads"
_ECHOES = ("instance", "pointer", "linkId", "expression")
"""Members of a refusal that name what the caller wrote: the address, and the names of fields. Never values."""

_PLACES = {
    "{id}": "",
    "{row}": "",
    "{code}": "not-found",
    "{vid}": "1",
    "{event}": "nothing",
    "{key}": FLAG,
    "{clinic}": "nowhere",
}
"""Parameters of paths, and what stands there for nothing; empty: a fresh id."""


class Planter:
    """`secret` canaries may come back in no error at all; `named` ones stand in addresses and names of fields, and may.

    Remembers every answer that is not a success, and which operations it reached.
    """

    def __init__(self, base: str, secret: Canaries, named: Canaries) -> None:
        self.secret = secret
        self.named = named
        self.reached: set[str] = set()
        self.refusals: list[tuple[str, httpx.Response]] = []
        self.answers: list[tuple[str, httpx.Response]] = []
        self.told_in_rooms: list[dict[str, Any]] = []
        self._base = base
        self._numbers = (secret.integer("integer"), secret.decimal("decimal"), secret.date("date"))
        self._http = httpx.Client(base_url=base, timeout=20, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def sign_in(self, email: str) -> None:
        answer = self._http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

    def send(self, operation: str, path: str = "", *, expected: int | None = None, **options: Any) -> httpx.Response:
        """Sends to an operation such as `POST /v1/users`; `path` stands for its template when that has parameters."""
        method, template = operation.split(" ")
        answer = self._http.request(method, path or template, **options)
        self.reached.add(operation)
        self.answers.append((operation, answer))
        if answer.status_code >= 400:
            self.refusals.append((operation, answer))
        assert answer.status_code != 500, f"{operation}: {answer.text}"
        assert_mannered(answer)
        assert expected is None or answer.status_code == expected, f"{operation}: {answer.status_code} {answer.text}"
        return answer

    # -- where they belong --------------------------------------------------------------------------------------------

    def people(self) -> None:
        secret = self.secret
        person = {
            "email": secret.email("e-mail"),
            "name": secret.text("name"),
            "role": "patient",
            "password": secret.text("password"),
        }
        made = self.send("POST /v1/users", json=person, headers=self.key(), expected=201).json()
        self.send("POST /v1/users", json=person, expected=409)
        path = f"/v1/users/{made['id']}"
        change = {"json": {"name": secret.text("new name")}}
        self.send("PATCH /v1/users/{id}", path, **change, headers={"If-Match": '"1"'}, expected=200)
        self.send("PATCH /v1/users/{id}", path, **change, headers={"If-Match": '"1"'}, expected=412)
        self.send("GET /v1/users/{id}", path, expected=200)
        self.send("GET /v1/users", expected=200)
        credentials = {"email": person["email"], "password": person["password"]}
        tokens = self.send("POST /v1/auth/login", json=credentials, expected=200).json()
        self.send("POST /v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}, expected=200)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.send("GET /v1/auth/me", headers=headers, expected=200)
        self.send("GET /v1/auth/sessions", headers=headers, expected=200)
        self.send("DELETE /v1/auth/sessions/{id}", f"/v1/auth/sessions/{uuid4()}", headers=headers, expected=404)
        self.send("DELETE /v1/auth/sessions", headers=headers, expected=200)
        self.send("DELETE /v1/users/{id}/sessions", f"/v1/users/{uuid4()}/sessions", expected=404)
        self._in_a_browser(credentials)
        self.send("POST /v1/auth/logout", headers=headers, expected=204)
        self.send("GET /v1/auth/me", headers=headers, expected=401)

    def _in_a_browser(self, credentials: dict[str, str]) -> None:
        """A session in a cookie, and cookies and origins that are none of ours."""
        secret, name = self.secret, "keepwell-session="
        own = {"Sec-Fetch-Site": "same-origin", "Authorization": ""}
        entered = self.send("POST /v1/auth/login", json={**credentials, "cookies": True}, headers=own, expected=200)
        cookie = entered.headers["set-cookie"].partition(";")[0]
        with httpx.Client(base_url=self._base, headers={"Sec-Fetch-Site": "same-origin"}) as page:
            for sent, status in ((cookie, 200), (name + secret.text("cookie"), 401), (f"{cookie}{secret.text('tail')}", 401)):
                answer = page.get("/v1/auth/me", headers={"Cookie": sent})
                assert answer.status_code == status
                if status == 401:
                    self.refusals.append(("GET /v1/auth/me", answer))
            for header in ("Sec-Fetch-Site", "Origin"):
                answer = page.post("/v1/auth/logout", headers={"Cookie": cookie, header: secret.text(f"header {header}")})
                self.refusals.append(("POST /v1/auth/logout", answer))

    def strangers(self) -> None:
        """People who cannot log in: nothing of what they type may stay anywhere."""
        secret = self.secret
        for email, password in (
            (secret.email("unknown e-mail"), secret.text("password of nobody")),
            ("clinician@demo.test", secret.text("wrong password")),
            (secret.text("e-mail that is none"), ""),
        ):
            body = {"email": email, "password": password, "clinic": secret.text("clinic").lower()}
            self.send("POST /v1/auth/login", json=body, expected=401)
        self.send("POST /v1/auth/refresh", json={"refresh_token": secret.text("refresh token")}, expected=401)
        for scheme in ("Bearer", "Basic", ""):
            headers = {"Authorization": f"{scheme} {secret.text('credentials')}".strip()}
            self.send("GET /v1/auth/me", headers=headers, expected=401)

    def every_type(self) -> None:
        """Answers of every type, given, changed, cleared, submitted, amended, looked at."""
        secret = self.secret
        questionnaire = self.questionnaire({**real_form("bit-of-everything"), "url": f"urn:uuid:{uuid4()}", "status": "active"})
        subject = f"Patient/{secret.text('subject')}"
        body = {"questionnaire": questionnaire, "subject": subject, "answers": self._answers()}
        made = self.send("POST /v1/responses", json=body, headers=self.key(), expected=201).json()
        path, version = f"/v1/responses/{made['id']}", 1
        passing = {"Item-text": secret.text("answer cleared later"), "Item-quantity": {"value": 1, "unit": secret.text("unit")}}
        for answers in (passing, {"Item-text": None}, self._answers()):
            headers = {"If-Match": f'"{version}"', **self.key()}
            self.send("PATCH /v1/responses/{id}", path, json={"answers": answers}, headers=headers, expected=200)
            version += 1
        self.send("PATCH /v1/responses/{id}", path, json={"answers": self._answers()}, headers={"If-Match": '"1"'}, expected=412)
        self._wrong_answers(path, version, questionnaire)
        self._looks(path, subject)
        match = {"If-Match": f'"{version}"'}
        self.send("POST /v1/responses/{id}/submit", f"{path}/submit", headers=match, expected=200)
        match = {"If-Match": f'"{version + 1}"'}
        self.send("PATCH /v1/responses/{id}", path, json={"answers": self._answers()}, headers=match, expected=409)
        amendment = {"reason": secret.text("reason"), "answers": {"Item-string": secret.text("amended answer")}}
        self.send("POST /v1/responses/{id}/amend", f"{path}/amend", json=amendment, headers={**match, **self.key()}, expected=200)
        self._looks(path, subject)

    def rows(self) -> None:
        """Answers inside repeating groups."""
        secret = self.secret
        family = item("family", "group", item("who"), item("what", "text"), repeats=True)
        made = self.questionnaire(form(family, item("name", text=secret.text("text of an item")), url=f"urn:uuid:{uuid4()}"))
        response = self.send("POST /v1/responses", json={"questionnaire": made}, expected=201).json()["id"]
        path, operation = f"/v1/responses/{response}/rows", "POST /v1/responses/{id}/rows"
        row = {"group": "family", "answers": {"who": secret.text("relative"), "what": secret.text("disease")}}
        added = self.send(operation, path, json=row, headers={"If-Match": '"1"', **self.key()}, expected=201).json()
        self.send(operation, path, json={**row, "group": "name"}, headers={"If-Match": '"2"'}, expected=422)
        address = f"family[{added['id']}].who"
        change = {"json": {"answers": {address: secret.text("changed relative")}}, "headers": {"If-Match": '"2"'}}
        self.send("PATCH /v1/responses/{id}", f"/v1/responses/{response}", **change, expected=200)
        match = {"If-Match": '"3"'}
        self.send("DELETE /v1/responses/{id}/rows/{row}", f"{path}/{added['id']}", headers=match, expected=200)

    def room(self) -> None:
        """Answers given in a live room, somebody at an item, somebody who follows; and what makes no sense there."""
        secret, named = self.secret, self.named
        questionnaire = self.questionnaire(form(item("a"), item("b"), url=f"urn:uuid:{uuid4()}"))
        body = {"questionnaire": questionnaire, "answers": {"a": secret.text("answer before the room")}}
        path = f"/v1/responses/{self.send('POST /v1/responses', json=body, expected=201).json()['id']}"
        address = f"{self._base.replace('http', 'ws', 1)}{path}/room"
        headers = {"Authorization": self._http.headers["Authorization"]}
        with (
            self._http.stream("GET", f"{path}/events", params={"after": secret.text("cursor")}) as followed,
            connect(address, additional_headers=headers, proxy=None) as room,
        ):
            self.reached.add("GET /v1/responses/{id}/events")
            for message in (
                {"type": "patch", "if_match": 1, "answers": {"a": secret.text("answer in a room")}},
                {"type": "patch", "if_match": 1, "answers": {"b": secret.text("stale answer in a room")}},
                {"type": "patch", "if_match": 2, "answers": {named.text("linkId in a room"): secret.text("answer to nothing")}},
                {"type": "focus", "linkId": named.text("focus")},
                {"type": "typing", "linkId": named.text("typing")},
                {"type": secret.text("type"), "text": secret.text("text")},
                {"type": "auth", "token": secret.text("token")},
                {"type": "ping", "id": "last"},
            ):
                room.send(json.dumps(message))
            room.send(secret.text("no message at all"))
            heard = iter(room)
            for text in heard:
                told = json.loads(text)
                self.told_in_rooms += [told] if told["type"] == "problem" else []
                if told["data"].get("code") == "malformed-json":
                    break
            assert followed.headers["content-type"] == "text/event-stream"
        assert len(self.told_in_rooms) == 5

    def large(self) -> None:
        """A response that is large and read often: what a cache is for."""
        questionnaire = self.questionnaire(form(item("a", "text"), url=f"urn:uuid:{uuid4()}"))
        body = {"questionnaire": questionnaire, "subject": f"Patient/{self.secret.text('subject of much')}"}
        path = f"/v1/responses/{self.send('POST /v1/responses', json=body, expected=201).json()['id']}"
        for version in range(1, 9):
            answers = {"a": f"{self.secret.text('long text')} and so on" * 800}
            match = {"If-Match": f'"{version}"'}
            self.send("PATCH /v1/responses/{id}", path, json={"answers": answers}, headers=match, expected=200)
            for _ in range(4):
                self.send("GET /v1/responses/{id}", path, expected=200)

    def questionnaires(self) -> None:
        """Drafts, good and bad. What a form is called is known to everybody; what it asks need not be."""
        secret = self.secret
        draft = form(item("a", text=secret.text("question")), url=f"urn:uuid:{uuid4()}", status="draft", version="1")
        made = self.questionnaire(draft)
        path, match = f"/v1/questionnaires/{made}", {"If-Match": '"1"'}
        self.send("POST /v1/questionnaires", json=draft, expected=409)
        again = {**draft, "description": secret.text("description")}
        self.send("PUT /v1/questionnaires/{id}", path, json=again, headers=match, expected=200)
        bad = form(
            item("a", secret.text("type"), text=7), item("a", maxLength=secret.text("length")), status=secret.text("status")
        )
        self.send("POST /v1/questionnaires", json=bad, expected=422)
        self.send("PUT /v1/questionnaires/{id}", path, json=bad, headers={"If-Match": '"2"'}, expected=422)
        self.send("POST /v1/questionnaires/$validate", json=bad, expected=200)
        self.send("GET /v1/questionnaires/{id}", path, expected=200)
        self.send("POST /v1/questionnaires/{id}/publish", f"{path}/publish", expected=200)
        self.send("PUT /v1/questionnaires/{id}", path, json=again, headers={"If-Match": '"3"'}, expected=409)
        self.send("POST /v1/questionnaires/{id}/retire", f"{path}/retire", expected=200)

    def questionnaire(self, resource: dict[str, Any]) -> str:
        """The id of a questionnaire just stored."""
        return self.send("POST /v1/questionnaires", json=resource, headers=self.key(), expected=201).json()["id"]

    def _looks(self, path: str, subject: str) -> None:
        self.send("GET /v1/responses/{id}", path, expected=200)
        for query in ("?version=1", "?at=2100-01-01T00:00:00Z"):
            self.send("GET /v1/responses/{id}", path + query, expected=200)
        self.send("GET /v1/responses/{id}/history", f"{path}/history", expected=200)
        self.send("GET /v1/responses/{id}/diff", f"{path}/diff?from=1&to=2", expected=200)
        self.send("GET /v1/responses", params={"subject": subject}, expected=200)
        self.send("GET /v1/audit", params={"entity": path.rsplit("/", 1)[-1]}, expected=200)

    def _answers(self) -> dict[str, Any]:
        """One answer of every type, each with a canary in it. The numbers are always the same: each costs a search of its own."""
        secret, (integer, decimal, date) = self.secret, self._numbers
        return {
            "Item-string": secret.text("string"),
            "Item-text": f"two\nlines {secret.text('text')}",
            "Item-date": date,
            "Item-datetime": f"{date}T10:00:00Z",
            "Item-integer": integer,
            "Item-decimal": decimal,
            "Item-url": f"https://clinic.test/{secret.text('url')}",
            "Item-reference": {"reference": f"Patient/{secret.text('reference')}", "display": secret.text("display")},
            "Item-attachment": {"contentType": "image/png", "title": secret.text("attachment"), "data": "aGVsbG8="},
            "Item-quantity": {"value": decimal, "unit": "meters", "system": "http://unitsofmeasure.org", "code": "m"},
            "Item-rb": {"system": "urn:x", "code": secret.text("code"), "display": secret.text("coding")},
            "Item12": secret.text("open choice"),
        }

    def _wrong_answers(self, path: str, version: int, questionnaire: str) -> None:
        """Values that do not fit, in every position: refused, without being repeated."""
        secret, named, match = self.secret, self.named, {"If-Match": f'"{version}"'}
        kinds = ("bool", "date", "datetime", "time", "integer", "decimal", "reference", "attachment", "quantity", "rb-local")
        for wrong in (
            *({f"Item-{kind}": secret.text(f"wrong {kind}")} for kind in kinds),
            {
                f"Item-{kind}": {"value": secret.text(f"wrong object for {kind}")}
                for kind in ("string", "integer", "quantity", "url")
            },
            {"Item-string": [secret.text("list"), secret.text("list")]},
            {named.text("linkId"): secret.text("answer to nothing")},
            {f"root[{named.text('row id')}].Item-string": secret.text("answer in no row")},
        ):
            body = {"answers": wrong}
            self.send("PATCH /v1/responses/{id}", path, json=body, headers={**match, **self.key()}, expected=422)
            body |= {"questionnaire": questionnaire}
            self.send("POST /v1/responses", json=body, expected=422)
            self.send("POST /v1/responses/$validate", json=body, expected=200)

    def key(self) -> dict[str, str]:
        """An idempotency key of its own."""
        return {"Idempotency-Key": self.secret.text("idempotency key")}

    # -- where they do not belong -------------------------------------------------------------------------------------

    def every_operation(self, document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each operation of the document, with a path that names nothing."""
        for template, methods in document["paths"].items():
            for method, operation in methods.items():
                path = template
                for place, value in _PLACES.items():
                    path = path.replace(place, value or str(uuid4()))
                yield f"{method.upper()} {template}", path, operation

    def everywhere(self, document: dict[str, Any]) -> None:
        """In bodies that cannot be read, fields that do not exist, parameters, headers and addresses of every operation."""
        for operation, path, described in self.every_operation(document):
            self._bodies(operation, path, described)
            self._parameters(operation, path, described)
            self._headers(operation, path)
            method, template = operation.split(" ")
            for place in _PLACES:
                if place in template:
                    odd = template.replace(place, self.named.text("address")).replace("{id}", str(uuid4())).replace("{vid}", "1")
                    self.send(operation, odd, headers={"If-Match": '"1"'})
            self.send(operation, f"{path}/{self.named.text('address below')}")
            self._http.request("PUT" if method != "PUT" else "PATCH", path, json={"x": self.secret.text("wrong method")})

    def _bodies(self, operation: str, path: str, described: dict[str, Any]) -> None:
        if "requestBody" not in described:
            return
        secret, named, headers = self.secret, self.named, {"If-Match": '"1"', "Content-Type": "application/json"}
        for body in (
            b'{"answers": {"a": "%s"' % secret.text("broken JSON").encode(),
            b"%s" % secret.text("no JSON").encode(),
            b'"%s"' % secret.text("JSON of the wrong kind").encode(),
            b'{"email": "%s", "email": "\xff%s"}' % (secret.text("bytes").encode(), secret.text("bytes").encode()),
            b'{"answers": "%s\\u0000"}' % secret.text("NUL").encode(),
            json.dumps({name: {"x": [secret.text(f"wrong {name}")]} for name in ("email", "answers", "reason", "name")}).encode(),
            json.dumps({named.text("name of a field"): secret.text("value of an unknown field")}).encode(),
            b'{"a":' * 200 + b'"%s"' % secret.text("depth").encode() + b"}" * 200,
        ):
            self.send(operation, path, content=body, headers=headers)
        text = secret.text("content type")
        self.send(operation, path, content=b"{}", headers={**headers, "Content-Type": f"application/{text}"})

    def _parameters(self, operation: str, path: str, described: dict[str, Any]) -> None:
        names = [each["name"] for each in described["parameters"] if each["in"] == "query"]
        for name in names:
            self.send(operation, f"{path}?{name}={self.secret.text(f'parameter {name}')}")
        self.send(operation, f"{path}?{self.named.text('name of a parameter')}={self.secret.text('unknown parameter')}")
        self.send(operation, f"{path}?x=%ff{self.secret.text('parameter that is not UTF-8')}")

    def _headers(self, operation: str, path: str) -> None:
        secret = self.secret
        harmless = ("User-Agent", "Referer", "Cookie", "Accept", "Accept-Language", "X-Forwarded-For", "From", "tracestate")
        self.send(operation, path, headers={name: secret.text(f"header {name}") for name in harmless})
        for name in ("If-Match", "If-None-Match", "traceparent", "Idempotency-Key"):
            self.send(operation, path, headers={name: f"{secret.text(f'header {name}')} \u00e9".encode("latin-1")})
        self.send(operation, path, headers={"X-Request-ID": f"{secret.text('request id')} with a space"})

    def garbage(self) -> None:
        """What is not HTTP, or too much of it."""
        host, port = self._base.removeprefix("http://").split(":")
        for sent in (
            f"GET /{quote(self.secret.text('path'))} HTTX/9\r\n\r\n",
            f"{self.secret.text('method')} / HTTP/1.1\r\nHost: x\r\n\r\n",
            f"GET / HTTP/1.1\r\n{self.secret.text('header name')}\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {self.secret.text('long header') * 2000}\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(sent.encode())
                received = connection.recv(65_536)
                self.refusals.append(("garbage", httpx.Response(400, content=received.partition(b"\r\n\r\n")[2])))
        big = {"questionnaire": str(uuid4()), "answers": {"a": self.secret.text("too large") + "x" * 1_100_000}}
        self.send("POST /v1/responses", json=big, expected=413)

    # -- what came back -----------------------------------------------------------------------------------------------

    def sightings(self) -> list[Sighting]:
        """Canaries in refusals, and in the headers of any answer."""
        found: list[Sighting] = []
        for operation, answer in self.refusals:
            where = f"the {answer.status_code} of {operation}"
            found += self.secret.in_bytes(answer.content, where)
            document = answer.json() if answer.content.startswith(b"{") else answer.text
            found += self.named.in_tree(_without_echoes(document), where)
        for told in self.told_in_rooms:
            found += self.secret.in_tree(told, "a problem in a room") + self.named.in_tree(
                _without_echoes(told), "a problem in a room"
            )
        for operation, answer in self.answers:
            heads = str(answer.headers.raw).encode()
            for canaries in (self.secret, self.named):
                found += canaries.in_bytes(heads, f"the headers of {operation}")
        return found


def _without_echoes(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _without_echoes(value) for name, value in tree.items() if name not in _ECHOES}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(tree, list):
        return [_without_echoes(value) for value in tree]  # pyright: ignore[reportUnknownVariableType]
    return tree
