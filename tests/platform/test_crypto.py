"""Blind indexes are HMAC-SHA-256, however they are made."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from keepwell.platform.crypto import KEY_BYTES, blinder

KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@given(KEYS, st.lists(st.text(), min_size=1))
def test_one_blinder_makes_the_hmac_of_each_text(key: bytes, texts: list[str]):
    blind = blinder(key)
    assert [blind(text) for text in texts] == [hmac.digest(key, text.encode(), hashlib.sha256)[:16] for text in texts]
