"""Sessions of browsers: what comes in the cookie, for whom it speaks, and how long."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from keepwell.kernel.problems import Refused
from tests.domains.identity.conftest import ORIGIN, PASSWORD, Node, World, bearer
from tests.support.http_server import serving

HOST = "localhost:8080"
OWN = {"host": HOST, "sec-fetch-site": "same-origin"}
ME = "/v1/auth/me"


def given(answer: httpx.Response) -> tuple[str, set[str]]:
    """The session's cookie that an answer sets, as `name=value`, and its attributes; that of a device is left out."""
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if not each.startswith("keepwell_device=")]
    [pair, *attributes] = cookie.split("; ")
    return pair, set(attributes)


async def logged_in(world: World, name: str = "ana", role: Any = "clinician", **headers: str) -> dict[str, str]:
    """The headers of a page of this server whose person is logged in."""
    if name not in world.people:
        await world.person(name, role)
    answer = await login(world, name, **headers)
    assert answer.status_code == 200, answer.text
    return {**OWN, **headers, "cookie": given(answer)[0]}


async def login(world: World, name: str = "ana", **headers: str) -> httpx.Response:
    body = {"email": world.email(name), "password": PASSWORD, "cookies": True}
    return await world.http.post("/v1/auth/login", json=body, headers={**OWN, **headers})


async def test_a_login_gives_a_cookie_and_no_token(world: World):
    user = await world.person("ana")
    answer = await login(world)
    pair, attributes = given(answer)
    assert pair.startswith("keepwell-session=kwc_")
    assert attributes == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert set(answer.json()) == {"expires_in", "session_id", "clinic", "user"}
    assert answer.json()["expires_in"] == 3600
    me = await world.http.get(ME, headers={**OWN, "cookie": f"other=1; {pair}; keepwell_position=x"})
    assert (me.status_code, me.json()["user"]["id"]) == (200, str(user.id))
    assert me.json()["session_id"] == answer.json()["session_id"]
    assert "set-cookie" not in me.headers


@pytest.mark.parametrize("role", ["admin", "clinician", "patient"])
async def test_a_cookie_speaks_for_the_same_actor_as_a_token(world: World, role: Any):
    page = await logged_in(world, role=role)
    tokens = await world.logged_in("ana")
    by_cookie, by_token = [(await world.http.get(ME, headers=headers)).json() for headers in (page, bearer(tokens))]
    assert {**by_cookie, "session_id": ""} == {**by_token, "session_id": ""}
    known = world.node.identity.cookies.read(page["cookie"].partition("=")[2]).actor
    actor = world.node.identity.authenticate(bearer(tokens)["authorization"])
    assert (known.scopes, known.subject, known.role) == (actor.scopes, actor.subject, actor.role)


@pytest.mark.parametrize("host", ["keepwell.example", "10.0.0.7:8080", "localhost.evil.example", "[", "127.0.0.1.example"])
async def test_without_tls_nobody_but_this_machine_is_given_a_cookie(world: World, host: str):
    await world.person("ana")
    answer = await login(world, host=host)
    assert (answer.status_code, answer.json()["code"]) == (403, "https-required")
    assert "set-cookie" not in answer.headers
    page = await logged_in(world)
    assert (await world.http.get(ME, headers={**page, "host": host})).status_code == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8080", "clinic.localhost:8080", "LOCALHOST"])
async def test_on_this_machine_it_works_without_tls(world: World, host: str):
    page = await logged_in(world, host=host)
    assert (await world.http.get(ME, headers=page)).status_code == 200


ELSEWHERE: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"},
    {"sec-fetch-site": ""},
    {"origin": "https://evil.example"},
    {"origin": f"https://{HOST}"},
    {"origin": "http://localhost:3000"},
    {"origin": "null"},
    {"origin": f"http://{HOST}.evil.example"},
    {"origin": "https://evil.example", "x-requested-with": "fetch"},
)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_a_page_of_another_origin_can_make_a_browser_do_and_see_nothing(world: World, elsewhere: dict[str, str]):
    cookie = (await logged_in(world))["cookie"]
    headers = {"host": HOST, "cookie": cookie, **elsewhere}
    for method, path in (("GET", ME), ("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions")):
        answer = await world.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    entered = await login(world, **elsewhere)
    if "sec-fetch-site" in elsewhere:
        assert (entered.status_code, entered.json()["code"]) == (403, "forbidden")
    assert (await world.http.get(ME, headers={**OWN, "cookie": cookie})).status_code == 200


@pytest.mark.parametrize(
    ("own", "reads", "writes"),
    [
        ({"sec-fetch-site": "same-origin"}, 200, 204),
        ({"origin": f"http://{HOST}"}, 200, 204),
        ({"x-requested-with": "fetch"}, 200, 204),
        ({"sec-fetch-site": "none"}, 200, 403),
        ({}, 200, 403),
    ],
)
async def test_a_page_of_this_server_may_and_what_says_nothing_may_only_look(
    world: World, own: dict[str, str], reads: int, writes: int
):
    cookie = (await logged_in(world))["cookie"]
    headers = {"host": HOST, "cookie": cookie, **own}
    assert (await world.http.get(ME, headers=headers)).status_code == reads
    assert (await world.http.post("/v1/auth/logout", headers=headers)).status_code == writes


async def test_who_sends_a_token_needs_no_origin_and_the_token_counts(world: World):
    page = await logged_in(world)
    await world.person("bo")
    bo = await world.logged_in("bo")
    headers = {**bearer(bo), "cookie": page["cookie"], "sec-fetch-site": "cross-site", "origin": "https://app.example.org"}
    me = await world.http.get(ME, headers=headers)
    assert me.json()["user"]["email"] == world.email("bo")
    wrong = await world.http.get(ME, headers={**headers, "authorization": "Bearer nonsense"})
    assert wrong.status_code == 401, "a bad token is not made good by a cookie"


async def test_logging_out_takes_the_cookie_away_and_ends_it_on_every_node(world: World, other_node: Node):
    page = await logged_in(world)
    kept = other_node.identity.cookies.read(page["cookie"].partition("=")[2])
    out = await world.http.post("/v1/auth/logout", headers=page)
    pair, attributes = given(out)
    assert (out.status_code, pair, "Max-Age=0" in attributes) == (204, "keepwell-session=", True)
    assert (await world.http.get(ME, headers=page)).status_code == 401
    with pytest.raises(Refused, match="unauthenticated"):
        await other_node.identity.sessions.me(kept.actor, ORIGIN)
    again = await logged_in(world)
    everywhere = await world.http.delete("/v1/auth/sessions?all=true", headers=again)
    assert "Max-Age=0" in given(everywhere)[1]
    assert (await world.http.get(ME, headers=again)).status_code == 401


async def used(world: World, page: dict[str, str]) -> httpx.Response:
    """A request of a page, which keeps whatever cookie comes."""
    answer = await world.http.get(ME, headers=page)
    if "set-cookie" in answer.headers:
        page["cookie"] = given(answer)[0]
    return answer


async def test_a_session_that_is_used_goes_on_up_to_its_absolute_limit(world: World):
    page, began = await logged_in(world), world.clock.now()
    cookies = {page["cookie"]}
    while (await used(world, page)).status_code == 200:
        world.clock.advance(minutes=15)
        cookies.add(page["cookie"])
    assert (world.clock.now() - began).total_seconds() == 12 * 3600
    assert len(cookies) == 48


async def test_a_session_that_is_not_used_ends_at_its_idle_limit(world: World):
    page = await logged_in(world)
    world.clock.advance(seconds=3599)
    assert (await used(world, page)).status_code == 200
    world.clock.advance(seconds=3600)
    assert (await used(world, page)).status_code == 401
    assert page["cookie"] != (await logged_in(world))["cookie"]


async def test_tabs_that_come_at_once_note_its_use_once_and_an_older_cookie_goes_on_working(world: World):
    page = await logged_in(world)
    world.clock.advance(minutes=11)
    older = dict(page)
    for _ in range(3):
        assert (await world.http.get(ME, headers=older)).status_code == 200
    session = (await world.http.get(ME, headers=page)).json()["session_id"]
    events = await world.everything.fetch(
        "SELECT event, command FROM journal_entry WHERE tenant_id = $1 AND id = $2::text::uuid ORDER BY version",
        world.clinic.id,
        session,
    )
    assert [tuple(row) for row in events][1:] == [("session-refreshed", "sessions.continue")]


async def test_a_change_of_the_account_ends_it(world: World):
    await world.person("boss", "admin")
    boss = await world.logged_in("boss")
    for change in ({"active": False}, {"role": "patient"}):
        name = next(iter(change))
        page = await logged_in(world, name)
        path = f"/v1/users/{world.people[name].id}"
        await world.http.patch(path, json=change, headers={**bearer(boss), "if-match": '"1"'})
        assert (await world.http.get(ME, headers=page)).status_code == 401


async def test_another_password_ends_it_when_its_use_is_noted_at_the_latest(world: World):
    page = await logged_in(world)
    await world.node.identity.users.set_password(world.clinic.id, world.email("ana"), "another long password", ORIGIN)
    assert (await world.http.get(ME, headers=page)).status_code == 401
    world.clock.advance(minutes=11)
    assert (await world.http.get(ME, headers=page)).status_code == 401


@pytest.mark.parametrize("place", [0, 5, 20, 60, 80, -1])
async def test_a_cookie_that_was_touched_is_refused(world: World, place: int):
    page = await logged_in(world)
    name, _, value = page["cookie"].partition("=")
    at = place if place >= 0 else len(value) - 2
    touched = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
    answer = await world.http.get(ME, headers={**page, "cookie": f"{name}={touched}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("value", ["", "kwc_", "kwc_AAAA", "x" * 3000, "kwc_" + "A" * 600, "kwc_%", "\u00e9", "kwr_AAAA"])
def test_what_is_no_cookie_of_ours_is_refused(node: Node, value: str):
    with pytest.raises(Refused, match="unauthenticated"):
        node.identity.cookies.read(value)


async def test_other_tokens_of_the_session_are_no_cookies_and_the_other_way_round(world: World):
    page = await logged_in(world)
    tokens = await world.logged_in("ana")
    value = page["cookie"].partition("=")[2]
    for each in (tokens["access_token"], tokens["refresh_token"]):
        answer = await world.http.get(ME, headers={**OWN, "cookie": f"keepwell-session={each}"})
        assert answer.status_code == 401
    assert (await world.http.get(ME, headers={"authorization": f"Bearer {value}"})).status_code == 401
    assert (await world.http.post("/v1/auth/refresh", json={"refresh_token": value})).status_code == 401


async def test_a_cookie_of_another_installation_is_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    page = await logged_in(world)
    with monkeypatch.context() as patch:
        patch.setitem(world.node.kernel.ring._derived, "keepwell session cookie v1", b"o" * 32)
        assert (await world.http.get(ME, headers=page)).status_code == 401
    assert (await world.http.get(ME, headers=page)).status_code == 200


# -- over TLS ---------------------------------------------------------------------------------------------------------

TLS = {"host": "keepwell.example", "x-forwarded-proto": "https", "sec-fetch-site": "same-origin"}


@pytest.fixture
async def proxied(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The same door behind a proxy that is trusted and says `https`."""
    async with (
        serving(world.node.door, proxy_headers=True, forwarded_allow_ips="*") as base,
        httpx.AsyncClient(base_url=base, timeout=20, headers=TLS) as http,
    ):
        yield http


async def test_over_tls_the_cookie_is_bound_to_the_host_and_never_travels_in_clear(world: World, proxied: httpx.AsyncClient):
    await world.person("ana")
    body = {"email": world.email("ana"), "password": PASSWORD, "cookies": True}
    pair, attributes = given(await proxied.post("/v1/auth/login", json=body))
    name, _, value = pair.partition("=")
    assert name == "__Host-keepwell"
    assert attributes == {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"}
    assert (await proxied.get(ME, headers={"cookie": pair})).status_code == 200
    by_origin = {"cookie": pair, "sec-fetch-site": "same-origin", "origin": "https://keepwell.example"}
    assert (await proxied.get(ME, headers=by_origin)).status_code == 200
    planted = await proxied.get(ME, headers={"cookie": f"keepwell-session={value}"})
    assert planted.status_code == 401, "anybody on the way could set a cookie of that name"
    assert (await world.http.get(ME, headers={**OWN, "cookie": pair})).status_code == 401
    out = await proxied.post("/v1/auth/logout", headers={"cookie": pair})
    assert given(out) == ("__Host-keepwell=", {*attributes, "Max-Age=0"})
