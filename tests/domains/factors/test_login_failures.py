"""Every way in which getting in, or staying in, can fail: each is made to happen over HTTP, and found with a reason of its own.

Whoever adds a reason to `Reason` adds a case here.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple, get_args
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from keepwell.domains.factors.models import Present
from keepwell.domains.factors.rules.lifecycle import MOST_FAILURES, TRIES
from keepwell.domains.identity import Reason
from keepwell.domains.identity.service.tokens import RefreshToken
from keepwell.kernel import Actor, Envelope
from keepwell.kit.ids import new_id
from tests.domains.factors.conftest import ORIGIN, PASSWORD, Session, World
from tests.domains.factors.test_links import link, redeem
from tests.domains.factors.test_routes import passkey_login
from tests.support.authenticator import Authenticator
from tests.support.plain_provider import CLIENT, SECRET, PlainProvider, plain_provider
from tests.support.waiting import eventually_async

BOSS = "boss"


class Scene(NamedTuple):
    """Where a case plays. `who` is a name nobody else has."""

    world: World
    provider: PlainProvider
    who: str


Make = Callable[[Scene], Awaitable[None]]


class Case(NamedTuple):
    """`at` is where the audit says it failed. `nowhere`: it cannot be said of which clinic it was, so metrics and log have it."""

    at: str
    make: Make
    nowhere: bool = False


async def enter(world: World, who: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    """A login from a browser that was never there before."""
    world.http.cookies.clear()
    return await world.http.post("/v1/auth/login", json={"email": world.email(who), "password": password, **more})


async def boss(world: World) -> Session:
    answer = await enter(world, BOSS)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put(world: World, path: str, body: dict[str, Any]) -> None:
    """Sets what an administrator sets, whatever it was before."""
    admin = await boss(world)
    before = await world.send("GET", path, admin)
    version = before.headers.get("etag", '"0"')
    answer = await world.send("PUT", path, admin, body, **{"if-match": version})
    assert answer.status_code == 200, answer.text


async def allow(world: World, *methods: str) -> None:
    await put(world, "/v1/policy/login", {"allowed": methods, "second_factor_required_for": []})


async def changed(world: World, session: Session, **change: Any) -> None:
    path = f"/v1/users/{session['user']['id']}"
    assert (await world.send("PATCH", path, await boss(world), change, **{"if-match": '"1"'})).status_code == 200


# -- address and password


async def nobody(scene: Scene) -> None:
    await enter(scene.world, scene.who, clinic=scene.world.clinic.slug)


async def elsewhere(scene: Scene, **more: Any) -> UUID:
    """Somebody of another clinic."""
    people, world = scene.world.identity, scene.world
    other = await people.tenants.ensure(f"o{new_id().hex}", "Another clinic", ORIGIN)
    await people.users.create_user(other.id, world.email(scene.who), scene.who, "clinician", PASSWORD, ORIGIN)
    return other.id


async def of_another_clinic(scene: Scene) -> None:
    await elsewhere(scene)
    await enter(scene.world, scene.who, clinic=scene.world.clinic.slug)


async def of_a_closed_clinic(scene: Scene) -> None:
    await scene.world.identity.tenants.close(await elsewhere(scene), ORIGIN)
    await enter(scene.world, scene.who)


async def without_password(scene: Scene) -> None:
    await scene.world.person(scene.who, password=None)
    await enter(scene.world, scene.who)


async def with_nothing(scene: Scene) -> None:
    await scene.world.person(scene.who)
    await enter(scene.world, scene.who, "")


async def with_another_password(scene: Scene) -> None:
    await scene.world.person(scene.who)
    await enter(scene.world, scene.who, "a wrong password")


async def disabled(scene: Scene) -> None:
    await changed(scene.world, await scene.world.logged_in(scene.who), active=False)
    await enter(scene.world, scene.who)


async def again_and_again(scene: Scene) -> None:
    await scene.world.person(scene.who)
    for _ in range(20):
        if (await enter(scene.world, scene.who, "a wrong password")).status_code == 429:
            return
    raise AssertionError("never held up")


async def with_a_factor_to_come(scene: Scene) -> None:
    await scene.world.with_app(scene.who)
    await enter(scene.world, scene.who)


async def where_passwords_do_not_count(scene: Scene) -> None:
    await scene.world.person(scene.who)
    await allow(scene.world, "magic-link")
    await enter(scene.world, scene.who)
    answer = await redeem(scene.world, await link(scene.world, BOSS))
    policy = {"allowed": ["password", "magic-link", "passkey", "oidc"], "second_factor_required_for": []}
    restored = await scene.world.send("PUT", "/v1/policy/login", answer.json(), policy, **{"if-match": '"1"'})
    assert restored.status_code == 200, restored.text


async def with_a_full_queue(scene: Scene) -> None:
    await scene.world.person(scene.who)
    hashing = scene.world.identity.hashing
    usual, hashing.queue = hashing.queue, 0
    assert (await enter(scene.world, scene.who)).status_code == 503
    hashing.queue = usual


# -- second factors


async def asked(scene: Scene) -> dict[str, Any]:
    """Somebody with an app has given the right password."""
    await scene.world.with_app(scene.who)
    return await scene.world.challenge(scene.who)


async def code(scene: Scene, challenge: dict[str, Any], text: str | None = None) -> int:
    shown = scene.world.code(scene.who) if text is None else text
    return (await scene.world.second(challenge, "totp", code=shown)).status_code


async def too_late(scene: Scene) -> None:
    challenge = await asked(scene)
    scene.world.clock.advance(minutes=11)
    await code(scene, challenge)


async def twice(scene: Scene) -> None:
    challenge = await asked(scene)
    assert await code(scene, challenge) == 200
    scene.world.clock.advance(seconds=30)
    await code(scene, challenge)


async def too_often(scene: Scene) -> None:
    challenge = await asked(scene)
    for _ in range(TRIES):
        await code(scene, challenge, "000000")
    scene.world.clock.advance(minutes=1)
    await code(scene, challenge)


async def with_a_wrong_code(scene: Scene) -> None:
    await code(scene, await asked(scene), "000000")


async def with_a_code_again(scene: Scene) -> None:
    assert await code(scene, await asked(scene)) == 200
    await code(scene, await scene.world.challenge(scene.who))


async def too_soon(scene: Scene) -> None:
    early = await asked(scene)
    late = await scene.world.challenge(scene.who)
    for challenge in (early, early, early, late, late):
        await code(scene, challenge, "000000")
    assert await code(scene, late) == 429


async def after_a_hundred_wrong_codes(scene: Scene) -> None:
    world = scene.world
    user = UUID((await world.with_app(scene.who))["user"]["id"])
    guesser = Actor(world.clinic.id, user, "ticket", ("system/Factor.u",))
    for _ in range(MOST_FAILURES):
        world.clock.advance(minutes=16)
        guess = Present(user, new_id(), world.clock.now() + timedelta(minutes=1), "totp", code="000000")
        await world.kernel.execute([Envelope(guess, guesser, ORIGIN)])
    world.clock.advance(minutes=16)
    await code(scene, await world.challenge(scene.who))


async def with_what_one_does_not_have(scene: Scene) -> None:
    await scene.world.with_passkey(scene.who)
    await code(scene, await scene.world.challenge(scene.who), "000000")


async def with_a_wrong_recovery_code(scene: Scene) -> None:
    session = await scene.world.with_app(scene.who)
    await scene.world.send("POST", "/v1/auth/factors/recovery-codes", session)
    await scene.world.second(await scene.world.challenge(scene.who), "recovery-code", code="aaaa-bbbb-cccc-dddd")


async def with_the_password_changed_meanwhile(scene: Scene) -> None:
    world, challenge = scene.world, await asked(scene)
    world.clock.advance(seconds=1)
    await world.identity.users.set_password(world.clinic.id, world.email(scene.who), "another password of hers", ORIGIN)
    await code(scene, challenge)


# -- passkeys, links, providers


async def with_the_passkey_of_a_closed_clinic(scene: Scene) -> None:
    tenant, authenticator = await elsewhere(scene), Authenticator()
    session = (await enter(scene.world, scene.who)).json()
    options = (await scene.world.send("POST", "/v1/auth/factors/passkeys/options", session)).json()["options"]
    authenticator.create(options)
    await scene.world.identity.tenants.close(tenant, ORIGIN)
    await passkey_login(scene.world, authenticator)


async def from_another_origin(scene: Scene) -> None:
    _, authenticator = await scene.world.with_passkey(scene.who)
    authenticator.origin = "http://evil.example"
    await passkey_login(scene.world, authenticator)


async def where_passkeys_do_not_count(scene: Scene) -> None:
    _, authenticator = await scene.world.with_passkey(scene.who)
    await allow(scene.world, "password")
    await passkey_login(scene.world, authenticator)
    await allow(scene.world, "password", "magic-link", "passkey", "oidc")


async def in_another_browser(scene: Scene) -> None:
    await scene.world.person(scene.who)
    path = await link(scene.world, scene.who)
    scene.world.http.cookies.clear()
    await redeem(scene.world, path, headers={"cookie": "keepwell_link=another"})


async def with_mail_that_is_not_taken(scene: Scene) -> None:
    await scene.world.person(scene.who)
    scene.world.mail.manner = "refuses"
    await scene.world.http.post("/v1/auth/magic-link", json={"email": scene.world.email(scene.who)})

    async def tried() -> bool:
        return ("magic-link.magic-link", "mail-undelivered") in await scene.world.attempts()

    await eventually_async(tried)
    scene.world.mail.manner = "good"


async def trusting(scene: Scene, issuer: str) -> None:
    body = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET}
    await put(scene.world, "/v1/policy/oidc", body)


async def at_a_provider_that_is_away(scene: Scene) -> None:
    await trusting(scene, "http://127.0.0.1:9")
    await scene.world.http.get(f"/v1/auth/oidc/{scene.world.clinic.slug}/start")


async def back_from(scene: Scene, *, error: str | None = None, **claims: Any) -> None:
    """Comes back from the provider, which says this."""
    world = scene.world
    await trusting(scene, scene.provider.issuer)
    begun = await world.http.get(f"/v1/auth/oidc/{world.clinic.slug}/start")
    asked_for = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    now = world.clock.now().timestamp()
    scene.provider.claims = {
        "iss": scene.provider.issuer,
        "aud": CLIENT,
        "sub": scene.who,
        "iat": now,
        "exp": now + 60,
        "nonce": asked_for["nonce"],
        "email": world.email(scene.who),
        "email_verified": True,
        **claims,
    }
    said = {"code": "any", "state": asked_for["state"]} | ({"error": error} if error else {})
    await world.http.get("/v1/auth/oidc/callback", params=said)


async def who_did_not_agree(scene: Scene) -> None:
    await back_from(scene, error="access_denied")


async def with_another_login_s_nonce(scene: Scene) -> None:
    await back_from(scene, nonce="another")


async def with_an_address_nobody_checked(scene: Scene) -> None:
    await scene.world.person(scene.who)
    await back_from(scene, email_verified=False)


# -- staying in


async def stay(world: World, session: Session) -> Session:
    return (await world.http.post("/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})).json()


async def logged_out(scene: Scene) -> None:
    session = await scene.world.logged_in(scene.who)
    await scene.world.send("POST", "/v1/auth/logout", session)
    await stay(scene.world, session)


async def ended(scene: Scene, session: Session, by: Session) -> None:
    await scene.world.send("DELETE", f"/v1/auth/sessions/{session['session_id']}", by)
    await stay(scene.world, session)


async def ended_by_the_person(scene: Scene) -> None:
    await ended(scene, await scene.world.logged_in(scene.who), (await enter(scene.world, scene.who)).json())


async def ended_by_an_administrator(scene: Scene) -> None:
    await ended(scene, await scene.world.logged_in(scene.who), await boss(scene.world))


async def given_another_role(scene: Scene) -> None:
    session = await scene.world.logged_in(scene.who)
    await changed(scene.world, session, role="patient")
    await stay(scene.world, session)


async def given_another_password(scene: Scene) -> None:
    world, session = scene.world, await scene.world.logged_in(scene.who)
    await world.identity.users.set_password(world.clinic.id, world.email(scene.who), PASSWORD * 2, ORIGIN)
    await stay(world, session)


async def left_alone(scene: Scene) -> None:
    session = await scene.world.logged_in(scene.who)
    scene.world.clock.advance(minutes=61)
    await stay(scene.world, session)


async def grown_old(scene: Scene) -> None:
    session = await scene.world.logged_in(scene.who)
    for _ in range(13):
        scene.world.clock.advance(minutes=55)
        session = await stay(scene.world, session)
    scene.world.clock.advance(minutes=5)
    await stay(scene.world, session)


async def stolen(scene: Scene) -> None:
    first = await scene.world.logged_in(scene.who)
    await stay(scene.world, await stay(scene.world, first))
    await stay(scene.world, first)


async def with_a_token(scene: Scene, session: UUID | None, generation: int) -> None:
    world, own = scene.world, await scene.world.logged_in(scene.who)
    token = RefreshToken(world.clinic.id, session or UUID(own["session_id"]), UUID(own["user"]["id"]), generation)
    await stay(world, {"refresh_token": world.identity.tokens.refresh(token)})


async def from_the_future(scene: Scene) -> None:
    await with_a_token(scene, None, 9)


async def from_nowhere(scene: Scene) -> None:
    await with_a_token(scene, new_id(), 0)


async def with_a_token_of_one_s_own_making(scene: Scene) -> None:
    await stay(scene.world, {"refresh_token": "kw_refresh_nonsense"})


CASES: dict[str, Case] = {
    "unknown-email": Case("login.account", nobody),
    "no-account-in-clinic": Case("login.account", of_another_clinic),
    "no-active-clinic": Case("login.account", of_a_closed_clinic, nowhere=True),
    "no-password-set": Case("login.password", without_password),
    "empty-password": Case("login.password", with_nothing),
    "wrong-password": Case("login.password", with_another_password),
    "user-disabled": Case("login.account", disabled),
    "challenge-required": Case("login.challenge", again_and_again),
    "second-factor-required": Case("login.second-factor", with_a_factor_to_come),
    "login-method-not-allowed": Case("login.second-factor", where_passwords_do_not_count),
    "overloaded": Case("login.password", with_a_full_queue),
    "challenge-expired": Case("login.second-factor", too_late),
    "challenge-spent": Case("login.second-factor", twice),
    "challenge-exhausted": Case("login.second-factor", too_often),
    "wrong-code": Case("login.second-factor", with_a_wrong_code),
    "code-used": Case("login.second-factor", with_a_code_again),
    "second-factor-delayed": Case("login.second-factor", too_soon),
    "code-too-many-failures": Case("login.second-factor", after_a_hundred_wrong_codes),
    "no-such-factor": Case("login.second-factor", with_what_one_does_not_have),
    "wrong-recovery-code": Case("login.second-factor", with_a_wrong_recovery_code),
    "unauthenticated": Case("login.session", with_the_password_changed_meanwhile),
    "unknown-passkey": Case("login.passkey", with_the_passkey_of_a_closed_clinic, nowhere=True),
    "passkey-unverified": Case("login.passkey", from_another_origin),
    "method-not-allowed": Case("login.passkey", where_passkeys_do_not_count),
    "other-browser": Case("login.magic-link", in_another_browser),
    "mail-undelivered": Case("magic-link.magic-link", with_mail_that_is_not_taken),
    "provider-unreachable": Case("login.oidc", at_a_provider_that_is_away),
    "provider-refused": Case("login.oidc", who_did_not_agree),
    "bad-id-token": Case("login.oidc", with_another_login_s_nonce),
    "unverified-email": Case("login.oidc", with_an_address_nobody_checked),
    "logout": Case("refresh.refresh", logged_out),
    "ended-by-user": Case("refresh.refresh", ended_by_the_person),
    "ended-by-admin": Case("refresh.refresh", ended_by_an_administrator),
    "role-changed": Case("refresh.refresh", given_another_role),
    "password-changed": Case("refresh.refresh", given_another_password),
    "session-idle": Case("refresh.refresh", left_alone),
    "session-expired": Case("refresh.refresh", grown_old),
    "refresh-token-reused": Case("refresh.refresh", stolen),
    "unknown-generation": Case("refresh.refresh", from_the_future),
    "unknown-session": Case("refresh.refresh", from_nowhere),
    "token-not-ours": Case("refresh.refresh", with_a_token_of_one_s_own_making, nowhere=True),
}


def counted(step: str, reason: str) -> float:
    """How often this process has counted it."""
    return REGISTRY.get_sample_value("keepwell_login_steps_total", {"step": step, "outcome": reason}) or 0


async def recorded(world: World) -> set[tuple[str, str, str]]:
    """The newest failures that an administrator of the clinic sees: request, where, why."""
    answer = await world.send("GET", "/v1/audit/logins?outcome=refused&limit=25", await boss(world))
    assert answer.status_code == 200, answer.text
    return {(item["request_id"], f"{item['attempt']}.{item['step']}", item["reason"]) for item in answer.json()["items"]}


def test_every_reason_there_is_has_a_case():
    assert set(get_args(Reason)) <= CASES.keys()
    assert len(CASES) > 30


@pytest.mark.timeout(120)
async def test_every_failure_is_found_with_a_reason_of_its_own(world: World):
    await world.person(BOSS, "admin")
    silent: list[str] = []
    async with plain_provider() as provider:
        for number, (reason, case) in enumerate(CASES.items()):
            before, step = await recorded(world), case.at.partition(".")[2]
            count = counted(step, reason)
            await case.make(Scene(world, provider, f"person-{number}"))
            if counted(step, reason) <= count:
                silent.append(f"{reason}: not counted at {step}")
            fresh = [(at, why) for _, at, why in sorted(await recorded(world) - before)]
            if fresh[-1:] != ([] if case.nowhere else [(case.at, reason)]):
                silent.append(f"{reason}: {fresh} in the clinic's audit")
    assert not silent, "\n".join(silent)
