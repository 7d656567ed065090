"""What may happen to a key, and that its state is the fold of what happened."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import keys
from keepwell.domains.keys.models import ChangeKey, CreateKey, ReplaceKey, RevokeKey
from keepwell.domains.keys.rules.lifecycle import LONGEST_OVERLAP_S, valid_until
from keepwell.kernel import fold
from keepwell.kernel.permissions import Permission, covers, grant, within
from keepwell.kit.ids import new_id
from tests.support.desk import START, Desk

(KEY,) = keys.AGGREGATES
ID = new_id()
SCOPES = ("system/Questionnaire.rs",)


def desk(scopes: tuple[str, ...] = ("user/*.cruds",)) -> Desk:
    made = Desk(KEY, scopes=scopes)
    assert made.do(CreateKey(ID, "Import", SCOPES, (), b"digest", 1)) is None
    return made


def replacing(overlap_s: int = 60) -> ReplaceKey:
    return ReplaceKey(ID, new_id(), overlap_s)


COMMANDS = st.one_of(
    st.integers(-1, LONGEST_OVERLAP_S + 1).map(replacing),
    st.builds(
        ChangeKey,
        id=st.just(ID),
        name=st.none() | st.text(max_size=5),
        expires_at=st.none() | st.integers(-9, 900).map(lambda days: START + timedelta(days=days)),
    ),
    st.sampled_from(["revoked", "leaked"]).map(lambda reason: RevokeKey(ID, reason)),  # pyright: ignore[reportArgumentType]
)


@given(st.lists(COMMANDS, max_size=12))
def test_the_state_is_the_fold_of_the_events_and_a_revoked_key_stays_worthless(commands: list[Any]):
    one = desk()
    over = False
    for command in commands:
        one.do(command)
        over = over or one.state.revoked_at is not None
        assert not over or valid_until(one.state) < START
        assert one.state.scopes == SCOPES
    assert fold(KEY, one.events) == one.state


@given(st.integers(0, LONGEST_OVERLAP_S))
def test_a_replaced_key_ends_after_the_overlap_or_when_it_would_have(overlap_s: int):
    one = desk()
    assert one.do(replacing(overlap_s)) is None
    assert valid_until(one.state) == min(one.now + timedelta(seconds=overlap_s), one.state.expires_at)


def test_a_key_revoked_by_somebody_is_known_to_have_leaked_later_on():
    one = desk()
    one.do(RevokeKey(ID, "revoked"))
    when = one.state.revoked_at
    one.do(RevokeKey(ID, "leaked"))
    one.do(RevokeKey(ID, "revoked"))
    assert (one.state.revoke_reason, one.state.revoked_at, len(one.events)) == ("leaked", when, 3)


LETTERS = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda found: "".join(x for x in "cruds" if x in found))
SCOPE = st.tuples(st.sampled_from(["user", "system", "patient"]), st.sampled_from(["Patient", "User", "*"]), LETTERS).map(
    lambda parts: f"{parts[0]}/{parts[1]}.{parts[2]}"
)


@given(st.lists(SCOPE, max_size=3).map(tuple), SCOPE)
def test_what_is_covered_allows_nothing_that_is_not_allowed_already(own: tuple[str, ...], wanted: str):
    if covers(own, wanted):
        for resource in ("Patient", "User", "Session"):
            for letter in "cruds":
                permission = Permission(resource, letter)
                if grant((wanted,), permission) is not None:
                    held = grant(own, permission)
                    assert held is not None
                    assert not held.own_compartment_only


def test_an_address_is_within_a_network_however_it_is_written():
    assert within("192.0.2.7", ("192.0.2.0/24",))
    assert within("::ffff:192.0.2.7", ("192.0.2.0/24",))
    assert within("2001:db8::1", ("10.0.0.0/8", "2001:db8::/32"))
    assert not within("192.0.3.7", ("192.0.2.0/24", "2001:db8::/32"))
    assert not within("", ("0.0.0.0/0",))
    assert not within("nowhere", ("0.0.0.0/0",))
