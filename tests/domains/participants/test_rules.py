"""Whatever is said of a participant: what is stored is what its events say, and ids follow from external ones."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import participants
from keepwell.domains.participants import ChangeParticipant, Details, Participant, RegisterParticipant, participant_id
from keepwell.kernel.journal import fold
from keepwell.kit.ids import new_id
from tests.support.desk import Desk
from tests.support.sheet import places

AGGREGATE = participants.AGGREGATES[0]
TEXTS = st.none() | st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "given_name": TEXTS,
        "family_name": TEXTS,
        "birth_date": st.sampled_from([None, "1970", "1970-12", "1970-12-31"]),
        "email": TEXTS,
        "phone": TEXTS,
        "time_zone": st.sampled_from([None, "Europe/Berlin", "UTC"]),
        "attributes": st.dictionaries(st.sampled_from(["ward", "size"]), st.text(min_size=1, max_size=3), max_size=2),
        "elements": st.dictionaries(st.sampled_from(["gender", "active"]), st.sampled_from(["male", True]), max_size=2),
    },
)


def key(name: str) -> Callable[[str], bytes]:
    return lambda text: sha256(f"{name}{text}".encode()).digest()[:16]


@given(DETAILS, st.lists(DETAILS, max_size=6))
def test_the_fold_of_the_journal_is_the_stored_state(first: dict[str, Any], later: list[dict[str, Any]]):
    desk, id_ = Desk(AGGREGATE), new_id()
    assert desk.do(RegisterParticipant(id_, "ext", None, Details(**first))) is None
    expected = {"external_id": "ext", **first}
    for details in later:
        assert desk.do(ChangeParticipant(id_, Details(**details))) is None
        expected |= details
    assert {name: getattr(desk.state, name) for name in expected} == expected
    stored = [msgspec.msgpack.encode(event) for event in desk.events]
    decoder = msgspec.msgpack.Decoder[Any](AGGREGATE.event)
    assert fold(AGGREGATE, (decoder.decode(event) for event in stored)) == desk.state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(desk.state), type=Participant) == desk.state


def test_what_is_the_same_is_no_change_and_only_what_differs_is_written():
    desk, id_ = Desk(AGGREGATE), new_id()
    assert desk.do(RegisterParticipant(id_, None, None, Details(family_name="Doe", phone="1"))) is None
    assert desk.do(ChangeParticipant(id_, Details(family_name="Doe"))) is None
    assert len(desk.events) == 1
    assert desk.do(ChangeParticipant(id_, Details(family_name="Roe", phone="1", email=None))) is None
    assert desk.events[-1].details == Details(family_name="Roe")


@pytest.mark.parametrize(
    ("details", "place"),
    [
        ({"given_name": ""}, "/given_name"),
        ({"family_name": "a\nb"}, "/family_name"),
        ({"family_name": "x" * 501}, "/family_name"),
        ({"email": "x" * 255}, "/email"),
        ({"phone": "x" * 101}, "/phone"),
        ({"birth_date": "yesterday"}, "/birth_date"),
        ({"birth_date": "1970-02-30"}, "/birth_date"),
        ({"birth_date": "1970-01-01T00:00:00Z"}, "/birth_date"),
        ({"time_zone": "Europe/Nowhere"}, "/time_zone"),
        ({"attributes": {"": "x"}}, "/attributes"),
        ({"attributes": {"x": ""}}, "/attributes"),
        ({"attributes": {"x": "y" * 2_001}}, "/attributes"),
        ({"attributes": {f"n{number}": "x" for number in range(201)}}, "/attributes"),
    ],
)
def test_what_cannot_be_said_is_refused_at_its_field(details: dict[str, Any], place: str):
    desk, id_ = Desk(AGGREGATE), new_id()
    assert [pointer for pointer, _ in places(desk.do(RegisterParticipant(id_, None, None, Details(**details))))] == [place]
    assert desk.do(RegisterParticipant(id_)) is None
    assert [pointer for pointer, _ in places(desk.do(ChangeParticipant(id_, Details(**details))))] == [place]


@pytest.mark.parametrize("text", ["", " x", "x ", "a\tb", "x" * 256])
def test_an_external_id_is_a_plain_text(text: str):
    assert places(Desk(AGGREGATE).do(RegisterParticipant(new_id(), text))) == [("/external_id", "invalid-value")]


@given(st.text(max_size=20), st.text(max_size=20), st.uuids())
def test_an_id_follows_from_clinic_program_and_external_id_alone(one: str, other: str, program: UUID):
    id_ = participant_id(key("clinic"), None, one)
    assert (id_.version, id_.variant) == (8, "specified in RFC 4122")
    assert id_ == participant_id(key("clinic"), None, one)
    assert id_ != participant_id(key("another"), None, one)
    assert id_ != participant_id(key("clinic"), program, one)
    assert (id_ == participant_id(key("clinic"), None, other)) == (one == other)
