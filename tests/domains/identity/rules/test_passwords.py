"""How a new password is judged: long, and none that is guessed first, with the reason."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.identity.rules.passwords import password_fault

NAMES = ("ana.smith@clinic.example", "Ana Smith", "riverside", "Riverside Clinic")


def code(password: str, names: tuple[str, ...] = NAMES) -> str | None:
    fault = password_fault(password, names)
    return None if fault is None else fault.code


@pytest.mark.parametrize(
    "password",
    [
        "keepwell-demo-pass",
        "correct horse battery staple",
        "ana smith likes long walks",
        "my riverside clinic cat",
        "lots of rain in october",
        "zo\u00eb crosses the river",
        "\U0001f40e\U0001f434 runs by the sea",
        "nmv83 qpd02 zzt91",
        "\u6771\u4eac\u306e\u591c\u306f\u3068\u3066\u3082\u9577\u3044\u3067\u3059\u306d\u3048\u3048\u3002",
    ],
)
def test_a_long_sentence_or_random_text_will_do(password: str):
    assert code(password) is None


def test_length_counts_characters():
    assert code("x" * 14) == "password-too-short"
    assert code("abde" * 65) == "password-too-long"
    assert code("e\u0301" * 14) == "password-too-short", "an accent is not a character of its own"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("momsanaladventure", "password-common"),
        ("PasswordStandard", "password-common"),
        ("q1w2e3r4t5y6u7i8", "password-common"),
        ("aaaaaaaaaaaaaaa", "password-repeats"),
        ("\U0001f40e" * 15, "password-repeats"),
        ("passpasspasspass", "password-repeats"),
        ("abcabcabcabcabcab", "password-repeats"),
        ("hello hello hello ", "password-repeats"),
        ("abcdefghijklmnop", "password-sequence"),
        ("987654321098765", "password-sequence"),
        ("qwertyuiop12345", "password-sequence"),
        ("1qaz2wsx3edc4rfv", "password-sequence"),
        ("QWERTYuiop-asdfgh", "password-sequence"),
        ("111222333444555", "password-sequence"),
        ("riversideclinic!", "password-of-names"),
        ("Ana Smith 1984!!", "password-of-names"),
        ("AnaSmithRiverside", "password-of-names"),
        ("ana.smith@clinic.example", "password-of-names"),
        ("keepwellkeepwell1", "password-of-names"),
        ("\uff21\uff4e\uff41 \uff33\uff4d\uff49\uff54\uff48 riverside", "password-of-names"),
    ],
)
def test_what_would_be_guessed_first_is_refused_with_the_reason(password: str, reason: str):
    assert code(password) == reason


def test_names_of_others_are_words_like_any():
    assert code("riversideclinic!", ("bob@x.test", "Bob", "hillside", "Hillside")) is None


def test_the_list_refuses_each_of_the_common_passwords_that_are_long_enough():
    """Those of 15 and more among the 30,000 most common, whichever rule it is that knows them."""
    common = (
        "123456789987654321 qazwsxedcrfvtgb 123456789qwerty 12345678900987654321 qwerty123456789 12345678987654321 "
        "1qazxsw23edcvfr4 1234qwerasdfzxcv 1234567890qwerty 1234567890987654321 1234567887654321 122333444455555 "
        "zxcvbnm123456789 qwertasdfgzxcvb 1qa2ws3ed4rf5tg 23176djivanfros hd764nw5d7e1vb1"
    )
    assert [each for each in common.split() if code(each, ()) is None] == []


@given(st.text(min_size=1, max_size=5), st.integers(3, 40))
def test_no_short_piece_again_and_again_will_do(piece: str, times: int):
    password = (piece * times * 15)[: max(15, len(piece) * times)]
    assert code(password, ()) is not None


@given(st.text(), st.lists(st.text(max_size=20), max_size=4).map(tuple))
def test_any_text_is_judged(password: str, names: tuple[str, ...]):
    fault = password_fault(password, names, "/new_password")
    assert fault is None or (fault.pointer == "/new_password" and password not in fault.message) or len(password) < 4


def test_names_are_no_obstacle_to_a_sentence_however_they_are_put_together():
    for first, second in product(("Ana", "clinic", "riverside"), repeat=2):
        assert code(f"{first} was here before {second}") is None
