"""What batches and merges make of a record: the fold of its events, taken back only where nobody spoke since."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import participants
from keepwell.domains.participants import (
    ChangeParticipant,
    Details,
    EnrollParticipant,
    Participant,
    RegisterParticipant,
    UnmergeParticipant,
    WithdrawEnrollment,
)
from keepwell.kernel import Envelope, Origin
from keepwell.kernel.journal import fold
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic, match
from tests.support.desk import Desk
from tests.support.problems import assert_problem

AGGREGATE = participants.AGGREGATES[0]
PERSON, PROGRAM, BATCHES = new_id(), new_id(), (new_id(), new_id())
DETAILS = st.builds(
    Details,
    given_name=st.sampled_from([msgspec.UNSET, "Ann", "Bob"]),
    birth_date=st.sampled_from([msgspec.UNSET, "1970", "1970-05-17", "1980"]),
    attributes=st.sampled_from([msgspec.UNSET, {"ward": "7"}, {"size": "m"}]),
)
COMMANDS = st.lists(
    st.one_of(
        st.builds(
            EnrollParticipant, *map(st.just, (PERSON, "E-1", PROGRAM)), st.sampled_from(BATCHES), st.integers(1, 3), DETAILS
        ),
        st.builds(WithdrawEnrollment, st.just(PERSON), st.sampled_from(BATCHES), st.integers(1, 3)),
        st.builds(ChangeParticipant, st.just(PERSON), DETAILS),
        st.builds(UnmergeParticipant, st.just(PERSON)),
    ),
    max_size=8,
)


def enroll(batch: int, row: int = 1, **details: Any) -> EnrollParticipant:
    return EnrollParticipant(PERSON, "E-1", PROGRAM, BATCHES[batch], row, Details(**details))


@given(COMMANDS)
def test_the_fold_of_the_journal_is_the_stored_state(commands: list[Any]):
    desk = Desk(AGGREGATE)
    assert desk.do(enroll(0, given_name="Ann")) is None
    for command in commands:
        desk.do(command)
    decoder = msgspec.msgpack.Decoder[Any](AGGREGATE.event)
    assert fold(AGGREGATE, (decoder.decode(msgspec.msgpack.encode(event)) for event in desk.events)) == desk.state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(desk.state), type=Participant) == desk.state


@given(st.lists(DETAILS, min_size=1, max_size=4))
def test_a_row_said_twice_happens_once(said: list[Details]):
    desk = Desk(AGGREGATE)
    for details in said:
        refused = desk.do(msgspec.structs.replace(enroll(0), details=details))
        events = len(desk.events)
        assert desk.do(msgspec.structs.replace(enroll(1), details=details)) == refused
        assert len(desk.events) == events


@given(DETAILS, DETAILS)
def test_what_is_taken_back_is_as_it_was(first: Details, second: Details):
    desk = Desk(AGGREGATE)
    assert desk.do(msgspec.structs.replace(enroll(0), details=first)) is None
    before, events = desk.state, len(desk.events)
    if desk.do(msgspec.structs.replace(enroll(1), details=second)) is None and len(desk.events) > events:
        assert desk.do(WithdrawEnrollment(PERSON, BATCHES[1], 1)) is None
        assert desk.state == msgspec.structs.replace(before, enrollment=None)


def test_nothing_is_taken_back_from_who_was_changed_since():
    desk = Desk(AGGREGATE)
    assert desk.do(enroll(0, given_name="Ann")) is None
    assert desk.do(ChangeParticipant(PERSON, Details(phone="1"))) is None
    refusal = desk.do(WithdrawEnrollment(PERSON, BATCHES[0], 1))
    assert refusal is not None
    assert refusal.code == "changed-since"
    assert desk.state.given_name == "Ann"


def test_who_was_withdrawn_is_enrolled_anew():
    desk = Desk(AGGREGATE)
    assert desk.do(enroll(0, given_name="Ann", phone="1")) is None
    assert desk.do(WithdrawEnrollment(PERSON, BATCHES[0], 1)) is None
    assert desk.state.withdrawn
    assert desk.do(enroll(1, given_name="Ann")) is None
    assert (desk.state.withdrawn, desk.state.phone) == (False, None)


async def registered(clinic: Clinic, **said: Any) -> str:
    [outcome] = await clinic.kernel.execute(
        [
            Envelope(
                RegisterParticipant(new_id(), details=Details(**said)), clinic.actors["Bearer clinician"], Origin("test", "test")
            )
        ]
    )
    assert outcome.refusal is None
    return str(outcome.id)


async def merge(clinic: Clinic, one: str, into: str, version: int = 1) -> Any:
    return await clinic.http.post(f"/v1/participants/{one}/merge", json={"into": into}, headers=match(version))


async def test_records_of_one_person_are_merged_and_unmerged(clinic: Clinic):
    one, other, third = [await registered(clinic) for _ in range(3)]
    assert (await merge(clinic, one, other)).json()["merged_into"] == other
    assert (await clinic.http.get(f"/v1/participants/{one}")).json()["merged_into"] == other
    assert_problem(await merge(clinic, other, other), 422, "invalid-merge")
    assert_problem(await merge(clinic, other, str(new_id())), 422, "invalid-merge")
    assert_problem(await merge(clinic, other, one), 409, "participant-merged")
    assert_problem(await merge(clinic, one, third, 2), 409, "participant-merged")
    back = await clinic.http.post(f"/v1/participants/{one}/unmerge", json={"reason": "twins"}, headers=match(2))
    assert "merged_into" not in back.json()
    items = (await clinic.http.get(f"/v1/participants/{one}/history")).json()["items"]
    assert [each["type"] for each in items] == ["registered", "merged", "unmerged"]
    assert_problem(await clinic.http.post(f"/v1/participants/{one}/unmerge", json={}, headers=match(3)), 422, "invalid-merge")


async def test_tokens_left_from_a_row_that_is_gone_are_no_matter(clinic: Clinic):
    """A look-up row that is made anew has its tokens once."""
    id_ = await registered(clinic, family_name="Doe")
    kept = await clinic.stored("SELECT token FROM participant_token WHERE id = $1 ORDER BY token", id_)
    row = "SELECT tenant_id, id, program, external_index, tokens, enrolled_index, active FROM participant WHERE id = $1"
    [values] = await clinic.stored(row, id_)
    await clinic.stored("DELETE FROM participant WHERE id = $1", id_)
    await clinic.stored(
        "INSERT INTO participant (tenant_id, id, program, external_index, tokens, enrolled_index, active) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *values,
    )
    assert kept
    assert await clinic.stored("SELECT token FROM participant_token WHERE id = $1 ORDER BY token", id_) == kept
