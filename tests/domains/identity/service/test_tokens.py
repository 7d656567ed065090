"""Tokens: what is ours, what is not, and when it stops being worth anything."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from keepwell.domains.identity.service import tokens as module
from keepwell.domains.identity.service.signing import ALGORITHM
from keepwell.domains.identity.service.tokens import RefreshToken, Tokens
from keepwell.kernel.envelope import Actor
from keepwell.kernel.keys import SIGNING, Generation
from keepwell.kernel.problems import UNAUTHENTICATED, Refused
from keepwell.kit.ids import new_id
from keepwell.kit.time import Clock
from keepwell.platform.crypto import derive

MASTER = b"m" * 32
PATIENT = new_id()
ACTOR = Actor(
    new_id(), PATIENT, "patient", ("patient/QuestionnaireResponse.crus", "user/Questionnaire.rs"), new_id(), f"Patient/{PATIENT}"
)


class Held:
    """The installation's keys as a ring holds them, from a root of the test's own."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self.known = (Generation(1, derive(root, "first"), None),)
        self.looks = 0

    def derive(self, label: str) -> bytes:
        return derive(self._root, label)

    def generations(self, purpose: str) -> tuple[Generation, ...]:
        assert purpose == SIGNING
        return self.known

    async def look(self) -> None:
        self.looks += 1


def made(root: bytes, clock: Clock) -> Tokens:
    held = Held(root)
    return Tokens(cast("Any", held), held.look, clock)


class HandClock:
    def __init__(self) -> None:
        self.at = datetime(2026, 10, 25, 0, 59, 59, 500_000, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tokens(clock: HandClock) -> Tokens:
    return made(MASTER, clock)


def refused(tokens: Tokens, token: str) -> bool:
    with pytest.raises(Refused) as caught:
        tokens.verify(token)
    return caught.value.refusal.type == UNAUTHENTICATED


def signed(tokens: Tokens, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(header, claims, tokens.signing.newest[1], algorithms=[ALGORITHM])


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, claims, _ = token.split(".")
    return json.loads(urlsafe_b64decode(head + "==")), json.loads(urlsafe_b64decode(claims + "=="))


def test_a_token_gives_back_the_actor_it_was_made_for(tokens: Tokens):
    token, _ = tokens.access(ACTOR, 3600)
    assert tokens.authenticate(f"Bearer {token}") == ACTOR
    assert tokens.authenticate(f"bearer {token}") == ACTOR, "the scheme's case is free (RFC 9110, 11.1)"


def test_another_node_with_the_same_master_key_accepts_it_and_one_with_another_does_not(tokens: Tokens, clock: HandClock):
    token, _ = tokens.access(ACTOR, 3600)
    assert made(MASTER, clock).verify(token) == ACTOR
    assert refused(made(b"o" * 32, clock), token)


def test_a_token_ends_to_the_second_also_when_it_was_seen_before(tokens: Tokens, clock: HandClock):
    token, seconds = tokens.access(ACTOR, 3600)
    assert 570 <= seconds <= 600
    tokens.verify(token)
    issued = datetime.fromtimestamp(parts(token)[1]["iat"], UTC)
    clock.at = issued + timedelta(seconds=seconds, microseconds=-1)
    assert tokens.verify(token) == ACTOR
    clock.at = issued + timedelta(seconds=seconds)
    assert refused(tokens, token)
    assert refused(tokens, token)


def test_a_token_never_outlives_its_session(tokens: Tokens):
    assert tokens.access(ACTOR, 12.9)[1] == 12


def test_a_node_whose_clock_is_a_little_behind_accepts_a_fresh_token(tokens: Tokens, clock: HandClock):
    token, _ = tokens.access(ACTOR, 3600)
    clock.at -= timedelta(seconds=9)
    assert tokens.verify(token) == ACTOR


def test_a_token_from_the_future_is_refused(tokens: Tokens, clock: HandClock):
    token, _ = tokens.access(ACTOR, 3600)
    clock.at -= timedelta(seconds=12)
    assert refused(tokens, token)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer \u00e9", "Bearer " + "a" * 5000]
)
def test_anything_else_in_the_header_is_refused(tokens: Tokens, header: str):
    with pytest.raises(Refused) as caught:
        tokens.authenticate(header)
    assert caught.value.refusal.type == UNAUTHENTICATED


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"aud": "other"},
        {"exp": None},
        {"iat": None},
        {"exp": "tomorrow"},
        {"sub": "me"},
        {"sid": None},
        {"tenant": "x"},
        {"scope": ["user/*.cruds"]},
        {"aud": ["keepwell", "other"]},
    ],
)
def test_claims_that_are_missing_or_wrong_are_refused_although_we_signed_them(tokens: Tokens, change: dict[str, Any]):
    token, _ = tokens.access(ACTOR, 3600)
    header, claims = parts(token)
    claims.update(change)
    assert refused(tokens, signed(tokens, header, {name: value for name, value in claims.items() if value is not None}))


@pytest.mark.parametrize("change", [{"typ": "JWT"}, {"kid": "other"}, {"kid": None}])
def test_headers_that_are_not_ours_are_refused_although_we_signed_them(tokens: Tokens, change: dict[str, Any]):
    token, _ = tokens.access(ACTOR, 3600)
    header, claims = parts(token)
    header.update(change)
    assert refused(tokens, signed(tokens, {name: value for name, value in header.items() if value is not None}, claims))


def test_the_token_does_not_choose_the_algorithm(tokens: Tokens):
    token, _ = tokens.access(ACTOR, 3600)
    header, claims = parts(token)
    [shown] = [key for key in tokens.signing.public().keys if key.kid == header["kid"]]
    public = urlsafe_b64decode(shown.x + "==")
    confused = jwt.encode({**header, "alg": "HS256"}, claims, OctKey.import_key(public), algorithms=["HS256"])
    assert refused(tokens, confused)
    bare = ".".join(
        urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({**header, "alg": "none"}, claims)
    )
    assert refused(tokens, bare + ".")
    embedded = OKPKey.generate_key("Ed25519")
    with_key = jwt.encode({**header, "jwk": embedded.as_dict(private=False)}, claims, embedded, algorithms=[ALGORITHM])
    assert refused(tokens, with_key)


def test_the_cache_is_bounded(tokens: Tokens, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_CACHED", 2)
    made = [tokens.access(ACTOR, 3600 - n)[0] for n in range(4)]
    for token in made:
        assert tokens.verify(token) == ACTOR
    assert len(tokens._verified) == 2
    assert tokens.verify(made[0]) == ACTOR


def test_an_access_token_needs_a_session(tokens: Tokens):
    with pytest.raises(ValueError, match="session"):
        tokens.access(Actor(new_id(), new_id(), "admin", ()), 100)


SESSION_TOKENS = st.builds(RefreshToken, st.uuids(), st.uuids(), st.uuids(), st.integers(0, 2**32 - 1))


@given(SESSION_TOKENS)
def test_a_refresh_token_says_what_went_in_and_is_always_the_same(content: RefreshToken):
    tokens = made(MASTER, HandClock())
    text = tokens.refresh(content)
    assert text == tokens.refresh(content)
    assert text.startswith("kwr_")
    assert tokens.read_refresh(text) == content


@given(SESSION_TOKENS, st.integers(0, 84), st.integers(1, 255))
def test_a_refresh_token_with_any_byte_changed_is_refused(content: RefreshToken, place: int, flip: int):
    tokens = made(MASTER, HandClock())
    raw = bytearray(urlsafe_b64decode(tokens.refresh(content).removeprefix("kwr_") + "=="))
    raw[place] ^= flip
    with pytest.raises(Refused):
        tokens.read_refresh("kwr_" + urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@given(
    st.text() | st.text().map(lambda text: "kwr_" + text) | st.binary().map(lambda raw: "kwr_" + urlsafe_b64encode(raw).decode())
)
def test_any_other_text_is_refused_as_a_refresh_token(text: str):
    tokens = made(MASTER, HandClock())
    with pytest.raises(Refused) as caught:
        tokens.read_refresh(text)
    assert caught.value.refusal.type == UNAUTHENTICATED
