"""Logging in by the word of a provider that nobody here wrote."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.domains.factors.conftest import Session, World
from tests.support.oidc_provider import CALLBACK, Provider, oidc_provider
from tests.support.problems import assert_refused

_FORM = re.compile(r'action="([^"]+)"')


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider() as provider:
        yield provider


async def configured(world: World, provider: Provider, **more: Any) -> Session:
    """An administrator whose clinic takes the provider's word. The provider's clock is the machine's, and so is ours then."""
    world.clock.set(datetime.now(UTC))
    admin = await world.logged_in("boss", "admin")
    body = {"issuer": provider.issuer, "client_id": provider.client_id, "client_secret": provider.client_secret, **more}
    answer = await world.send("PUT", "/v1/policy/oidc", admin, body, **{"if-match": '"0"'})
    assert answer.status_code == 200, answer.text
    return admin


async def begun(world: World) -> str:
    answer = await world.http.get(f"/v1/auth/oidc/{world.clinic.slug}/start")
    assert answer.status_code == 307, answer.text
    return answer.headers["location"]


async def at_provider(location: str, login: str) -> dict[str, str]:
    """What a person does at the provider: says who they are, agrees, and is sent back with these parameters."""
    async with httpx.AsyncClient(timeout=20) as browser:
        answer = await browser.get(location)
        for _ in range(10):
            while answer.is_redirect:
                target = str(answer.next_request.url) if answer.next_request is not None else ""
                if target.startswith(CALLBACK):
                    return dict(parse_qsl(urlsplit(target).query))
                answer = await browser.get(target)
            form = _FORM.search(answer.text)
            assert form is not None, answer.text
            prompt = "login" if 'name="login"' in answer.text else "consent"
            answer = await browser.post(form[1], data={"prompt": prompt, "login": login, "password": "any"})
    raise AssertionError("the provider never sent the browser back")


async def log_in(world: World, name: str) -> httpx.Response:
    back = await at_provider(await begun(world), world.email(name))
    return await world.http.get("/v1/auth/oidc/callback", params=back)


async def test_somebody_whom_the_provider_knows_is_logged_in_and_known_again(world: World, provider: Provider):
    await configured(world, provider)
    ann = await world.person("ann", password=None)
    answers = [await log_in(world, "ann") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["user"]["id"] for answer in answers} == {str(ann.id)}
    answer = answers[-1]
    listed = (await world.send("GET", "/v1/auth/sessions", answer.json())).json()["items"]
    assert [each["methods"] for each in listed] == [["oidc"], ["oidc"]]
    kinds = await world.everything.fetch("SELECT event FROM journal_entry WHERE tenant_id = $1", world.clinic.id)
    assert [row["event"] for row in kinds].count("identity-linked") == 1


async def test_no_account_is_made_and_no_unverified_address_believed(world: World, provider: Provider):
    await configured(world, provider)
    await world.person("unverified")
    assert_refused(await log_in(world, "stranger"), 401, "invalid-credentials")
    assert_refused(await log_in(world, "unverified"), 401, "invalid-credentials")
    reasons = [reason for _, reason in await world.attempts()]
    assert {"no-account-in-clinic", "unverified-email"} <= set(reasons)


async def test_what_came_back_serves_once_and_in_the_browser_that_began(world: World, provider: Provider):
    await configured(world, provider)
    await world.person("ann")
    back = await at_provider(await begun(world), world.email("ann"))
    kept = world.http.cookies
    world.http.cookies = httpx.Cookies()
    assert_refused(await world.http.get("/v1/auth/oidc/callback", params=back), 401, "challenge-expired")
    world.http.cookies = kept
    assert (await world.http.get("/v1/auth/oidc/callback", params=back)).status_code == 200
    again = await world.http.get("/v1/auth/oidc/callback", params=back)
    assert again.status_code in (401, 503)
    assert ("login.oidc", "other-browser") in await world.attempts()


async def test_a_second_factor_is_asked_for_behind_the_provider(world: World, provider: Provider):
    await configured(world, provider)
    await world.with_app("ann")
    refused = await log_in(world, "ann")
    assert_refused(refused, 401, "second-factor-required")
    assert (await world.second(refused.json(), "totp", code=world.code("ann"))).status_code == 200


@pytest.mark.parametrize("fault", ["wrong secret", "altered state", "error", "no code"])
async def test_what_is_not_right_is_refused_with_a_reason(world: World, provider: Provider, fault: str):
    await configured(world, provider, **({"client_secret": "another"} if fault == "wrong secret" else {}))
    await world.person("ann")
    back = await at_provider(await begun(world), world.email("ann"))
    match fault:
        case "altered state":
            back["state"] = back["state"][:-4] + "AAAA"
        case "error":
            back["error"] = "access_denied"
        case "no code":
            del back["code"]
        case _:
            pass
    answer = await world.http.get("/v1/auth/oidc/callback", params=back)
    assert answer.status_code in (401, 503)
    reasons = [reason for _, reason in await world.attempts()]
    # Whose login it was that has no state of ours, nobody knows.
    assert reasons == {"wrong secret": ["provider-unreachable"], "altered state": []}.get(fault, ["provider-refused"])


async def test_a_clinic_without_provider_or_with_one_that_is_away(world: World, provider: Provider):
    assert_refused(await world.http.get(f"/v1/auth/oidc/{world.clinic.slug}/start"), 404, "not-found")
    assert_refused(await world.http.get("/v1/auth/oidc/nowhere/start"), 404, "not-found")
    await configured(world, provider, issuer="http://127.0.0.1:9")
    assert_refused(await world.http.get(f"/v1/auth/oidc/{world.clinic.slug}/start"), 503, "oidc-unreachable")


async def test_the_secret_is_never_shown_and_the_issuer_is_an_address(world: World, provider: Provider):
    admin = await configured(world, provider)
    shown = (await world.send("GET", "/v1/policy/oidc", admin)).json()
    assert shown == {"issuer": provider.issuer, "client_id": provider.client_id, "version": 1}
    for issuer in ("ftp://somewhere", "nothing", "https://me:secret@login.example", "https://"):
        body = {"issuer": issuer, "client_id": "x", "client_secret": "y"}
        answer = await world.send("PUT", "/v1/policy/oidc", admin, body, **{"if-match": '"1"'})
        assert_refused(answer, 422, "invalid-oidc-provider")
