"""How keys look: any change of a character is noticed, and what is read is what was composed."""

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.keys.rules.texts import ID_BYTES, SECRETS, compose, recognise
from keepwell.domains.keys.service.secrets import Secrets
from keepwell.platform.crypto import derive

PLACES = st.binary(min_size=ID_BYTES, max_size=ID_BYTES)
SECRET_NUMBERS = st.integers(0, SECRETS - 1)
CHARACTERS = st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. é")
TENANT, KEY = UUID(int=1), UUID(int=2)


def secrets(master: bytes = bytes(32)) -> Secrets:
    return Secrets(lambda label: derive(master, label))


@given(PLACES, SECRET_NUMBERS)
def test_a_key_is_recognised_with_its_id(place: bytes, secret: int):
    text = compose(place, secret)
    assert re.fullmatch(r"kw_live_[0-9A-Za-z]{54}_[0-9A-Za-z]{30}[0-9A-Za-z]{6}", text)
    found = recognise(text)
    assert found is not None
    assert found.place == place


@given(PLACES, SECRET_NUMBERS, st.integers(0, 98), CHARACTERS)
def test_any_other_character_is_noticed(place: bytes, secret: int, at: int, character: str):
    text = compose(place, secret)
    changed = text[:at] + character + text[at + 1 :]
    assert (recognise(changed) is None) == (changed != text)


@given(st.text(max_size=120))
def test_other_texts_are_no_keys(text: str):
    assert recognise(text) is None
    assert recognise(f"kw_live_{text}") is None


def test_a_secret_has_at_least_178_bits():
    assert SECRETS > 2**178


def test_a_key_is_known_as_ours_by_its_id_and_only_under_the_same_master_key():
    ours, theirs = secrets(), secrets(b"\1" * 32)
    found = recognise(ours.compose(TENANT, KEY, None))
    assert found is not None
    assert ours.named(found) == (TENANT, KEY)
    assert theirs.named(found) is None
    assert ours.digest(found.text) != theirs.digest(found.text)


def test_a_retry_gets_the_same_text_and_nobody_else_does():
    one = secrets()
    texts = [one.compose(TENANT, KEY, retry) for retry in ("a", "a", "b", None, None)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 4
