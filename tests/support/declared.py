"""Holds a door to its own document while tests go through it: every problem it answers, its endpoint has declared."""

from typing import Any

import msgspec

from keepwell.domains.fhir.models import FHIR_JSON
from keepwell.kernel.http import Door
from keepwell.kernel.http.openapi import problems_of
from keepwell.kernel.http.render import PROBLEM_JSON
from tests.support.problems import code_of

_PROBLEM = (b"content-type", PROBLEM_JSON.encode())
_FHIR = (b"content-type", FHIR_JSON.encode())


class Declared:
    """The ASGI application that a door is, and in `surprises` what it answered without having said that it might."""

    def __init__(self, door: Door) -> None:
        self.surprises: list[str] = []
        self._door = door
        self._declared = {
            (endpoint.method, endpoint.path): {kind.code for kind in problems_of(endpoint)} for endpoint in door.endpoints
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._door(scope, receive, send)
            return
        problem = bytearray()
        refused = False

        async def noting(message: Any) -> None:
            nonlocal refused
            refused = refused or _PROBLEM in message.get("headers", ()) or _refused_in_fhir(message)
            if refused:
                problem.extend(message.get("body", b""))
            await send(message)

        await self._door(scope, receive, noting)
        if refused:
            self._look(scope, bytes(problem))

    def _look(self, scope: Any, problem: bytes) -> None:
        operation = ("GET" if scope["method"] == "HEAD" else scope["method"], scope["keepwell.exchange"].route)
        code = code_of(msgspec.json.decode(problem))
        if operation in self._declared and code not in self._declared[operation]:
            self.surprises.append(f"{code} of {' '.join(operation)}")


def _refused_in_fhir(message: Any) -> bool:
    return message.get("status", 200) >= 400 and _FHIR in message["headers"]
