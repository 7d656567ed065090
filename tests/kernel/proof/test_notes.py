"""Checkpoint texts: the C2SP form, signatures, and everything that must not pass."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kernel.proof.notes import BadNote, Checkpoint, Signer, Verifier

SIGNER = Signer(bytes(range(32)))
AT = datetime(2026, 3, 29, 1, 30, 0, 5, tzinfo=UTC)
CHECKPOINT = Checkpoint("journal", 20852163, bytes(range(32)), 991, AT)
NOTE = SIGNER.sign(CHECKPOINT)


@given(
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
    st.datetimes(timezones=st.just(UTC)),
)
def test_what_was_signed_comes_back(size: int, root: bytes, below: int, at: datetime):
    checkpoint = Checkpoint("access", size, root, below, at)
    assert SIGNER.verifier.open(SIGNER.sign(checkpoint)) == checkpoint


def test_a_note_has_the_form_others_can_verify():
    text, signatures = NOTE.split("\n\n")
    assert text.split("\n") == [
        "keepwell/journal",
        "20852163",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "below 991",
        "at 2026-03-29T01:30:00.000005Z",
    ]
    dash, name, encoded = signatures.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", "keepwell/journal")
    key_name, key_id, typed = SIGNER.verifier.vkey("journal").split("+", 2)
    assert key_name == name
    signature = b64decode(encoded)
    assert signature[:4].hex() == key_id
    assert b64decode(typed)[:1] == b"\x01"
    Ed25519PublicKey.from_public_bytes(b64decode(typed)[1:]).verify(signature[4:], f"{text}\n".encode())


@pytest.mark.parametrize("place", range(len(NOTE)))
def test_a_note_with_any_character_changed_is_refused(place: int):
    other = "A" if NOTE[place] != "A" else "B"
    with pytest.raises(BadNote):
        SIGNER.verifier.open(NOTE[:place] + other + NOTE[place + 1 :])


@pytest.mark.parametrize(
    "note", ["", "\n\n", "keepwell/journal\n1\n\n\u2014 keepwell/journal AAAA\n", NOTE.replace("\n\n", "\n"), NOTE[:-40]]
)
def test_what_is_no_note_is_refused(note: str):
    with pytest.raises(BadNote):
        SIGNER.verifier.open(note)


def test_another_key_is_refused_and_a_witness_passed_over():
    other = Signer(bytes(32))
    with pytest.raises(BadNote, match="not signed by this key"):
        other.verifier.open(NOTE)
    witness = f"\u2014 witness.example {b64encode(bytes(76)).decode()}\n"
    assert SIGNER.verifier.open(NOTE + witness) == CHECKPOINT


def test_the_verification_key_can_be_carried_as_text():
    vkey = SIGNER.verifier.vkey("journal")
    assert Verifier.parse(vkey).open(NOTE) == CHECKPOINT
    with pytest.raises(ValueError, match="key id"):
        Verifier.parse(vkey.replace("journal", "access"))
