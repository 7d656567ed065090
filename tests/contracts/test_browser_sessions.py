"""A page of this server whose session is in a cookie, at every door; and pages of others, which get nothing by it."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.contracts.conftest import ADMIN
from tests.support.journey import begun, patch, published
from tests.support.live import following, speaking
from tests.support.load import CLINICIAN, PASSWORD
from tests.support.problems import assert_problem, assert_refused
from tests.support.server import Server

QUERY = {"query": "{ __typename }"}


@pytest.fixture(scope="module")
def there(server: Server) -> Iterator[str]:
    """Another process."""
    with server.beside() as beside:
        yield beside.base


Page = dict[str, str]


@pytest.fixture
def page(server: Server) -> Page:
    """What a browser sends with the requests of a page of this server, whose person is logged in."""
    own = {"Origin": server.base, "Sec-Fetch-Site": "same-origin"}
    body = {"email": CLINICIAN, "password": PASSWORD, "cookies": True}
    answer = httpx.post(f"{server.base}/v1/auth/login", json=body, headers=own)
    assert answer.status_code == 200, answer.text
    assert not {"access_token", "refresh_token"} & answer.json().keys()
    return {**own, "Cookie": answer.headers["set-cookie"].partition(";")[0]}


def at(base: str, page: Page, **changes: str) -> Page:
    """The same page at another process, which a browser takes for another origin with the same host."""
    return {**page, "Origin": base, **{name.replace("_", "-"): value for name, value in changes.items()}}


def log_out(http: httpx.Client) -> None:
    assert "Max-Age=0" in http.post("/v1/auth/logout").raise_for_status().headers["set-cookie"]


def token_of(http: httpx.Client, email: str) -> str:
    return http.post("/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status().json()["access_token"]


def who(base: str, headers: dict[str, str]) -> str:
    return httpx.get(f"{base}/v1/auth/me", headers=headers).raise_for_status().json()["user"]["email"]


DOORS: list[Callable[[httpx.Client], httpx.Response]] = [
    lambda http: http.get("/v1/questionnaires"),
    lambda http: http.get("/fhir/R4/Patient"),
    lambda http: http.post("/graphql", json=QUERY),
    lambda http: http.post("/v1/questionnaires/$validate", json={"resourceType": "Questionnaire"}),
    lambda http: http.post("/fhir/R4/Patient", json={"resourceType": "Patient"}),
]


@pytest.mark.parametrize("door", DOORS)
def test_a_cookie_is_taken_at_every_door_from_pages_of_this_server_only(server: Server, page: Page, door: Any):
    with httpx.Client(base_url=server.base, headers=page) as http:
        assert door(http).is_success, door(http).text
    foreign = {**page, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    with httpx.Client(base_url=server.base, headers=foreign) as http:
        assert_refused(door(http), 403, "forbidden")
    bare = {"Cookie": page["Cookie"]}
    with httpx.Client(base_url=server.base, headers=bare) as http:
        answer = door(http)
        if answer.request.method == "POST":
            assert_refused(answer, 403, "forbidden")
        else:
            assert answer.is_success


async def test_a_room_is_open_to_the_page_and_ends_with_its_session(server: Server, there: str, page: Page):
    with httpx.Client(base_url=server.base, headers=page) as http:
        response = begun(http, published(http))["id"]
        here = at(there, page)
        async with speaking(there, response, here) as speaker, following(there, response, here) as follower:
            await speaker.at(1)
            await follower.at(1)
            told = await speaker.ask("patch", if_match=1, answers={"/44261-6": 1.5})
            assert told["type"] == "ack", told
            assert patch(http, response, 2, {"/44261-6": 2.5}).status_code == 200
            await follower.at(3)
            log_out(http)
            assert await speaker.closed() == 4401
            assert await follower.closed() == 0


@pytest.mark.parametrize(
    "elsewhere", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "cross-site"}]
)
async def test_a_room_is_closed_to_pages_of_others(server: Server, page: Page, elsewhere: dict[str, str]):
    with httpx.Client(base_url=server.base, headers=page) as http:
        response = begun(http, published(http))["id"]
    foreign = at(server.base, page, **elsewhere)
    if "Origin" in elsewhere:
        foreign["Origin"] = elsewhere["Origin"]
        del foreign["Sec-Fetch-Site"]
    async with speaking(server.base, response, foreign) as speaker:
        await speaker.say("ping")
        assert await speaker.closed() == 4401
        assert [each["type"] for each in speaker.received] == ["problem"]
    async with following(server.base, response, foreign) as follower:
        assert follower.answer.status_code == 403


async def test_a_page_of_another_origin_that_may_call_still_brings_its_token(server: Server, page: Page):
    with httpx.Client(base_url=server.base, headers=page) as http:
        response = begun(http, published(http))["id"]
        token = token_of(http, ADMIN)
    foreign = {"Origin": "https://app.example.org", "Sec-Fetch-Site": "same-site", "Cookie": page["Cookie"]}
    async with speaking(server.base, response, foreign) as speaker:
        await speaker.say("auth", token=token)
        await speaker.at(1)
    assert who(server.base, {**foreign, "Authorization": f"Bearer {token}"}) == ADMIN


def test_an_administrator_ends_a_browsers_session_too(server: Server, there: str, page: Page, admin: httpx.Client):
    me = httpx.get(f"{server.base}/v1/auth/me", headers=page).json()
    assert admin.delete(f"/v1/users/{me['user']['id']}/sessions").json()["ended"] >= 1
    assert_problem(httpx.get(f"{there}/v1/auth/me", headers=at(there, page)), 401, "unauthenticated")
