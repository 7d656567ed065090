"""A clinic of each test's own, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from keepwell.kernel import Kernel
from keepwell.kernel.http import Endpoint
from tests.support.clinic import Clinic, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls


@pytest.fixture
async def clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    async with opened(database_urls, manual_clock) as found:
        yield found


@pytest.fixture
async def database_gone(clinic: Clinic) -> Kernel:
    """The clinic's kernel, with nothing behind it any more."""
    assert (await clinic.http.get("/v1/responses")).status_code == 200
    await clinic.kernel.database.close()
    return clinic.kernel


@pytest.fixture
async def endpoints(clinic: Clinic) -> dict[tuple[str, str], Endpoint]:
    """The table of the server, by method and path."""
    return {(each.method, each.path): each for each in clinic.endpoints}


def data(answer: httpx.Response) -> dict[str, Any]:
    """What a document that went well answered."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "errors" not in body, answer.text
    return body["data"]


def codes(answer: httpx.Response) -> list[str]:
    """The codes of everything that went wrong in a document that was executed."""
    assert answer.status_code == 200, answer.text
    return [error["extensions"]["code"] for error in answer.json().get("errors", [])]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one error of a document that was not executed."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json"), answer.text
    body = answer.json()
    assert body.keys() == {"errors"}
    [error] = body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["status"]) == (code, status)
    assert error["extensions"]["request_id"] == answer.headers["X-Request-ID"]
    return error
