"""Emergency access begins, ends once and is reviewed once by another person, in whatever order it is tried."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import access
from keepwell.domains.access.models import EmergencyEnded, EmergencyReviewed, EndEmergency, ReviewEmergency, StartEmergency
from keepwell.kernel import fold
from keepwell.kit.ids import new_id
from tests.support.desk import Desk

(ACCESS,) = access.AGGREGATES
ID = new_id()
COMMANDS = st.one_of(
    st.sampled_from(["ended", "expired"]).map(lambda reason: EndEmergency(ID, reason)),  # pyright: ignore[reportArgumentType]
    st.builds(ReviewEmergency, id=st.just(ID), justified=st.booleans(), finding=st.text(max_size=3)),
    st.integers(1, 40).map(lambda minutes: minutes),
)


@given(st.lists(COMMANDS, max_size=12), st.integers(1, 60))
def test_the_state_is_the_fold_of_the_events_whatever_is_tried(steps: list[Any], minutes: int):
    one = Desk(ACCESS)
    assert one.do(StartEmergency(ID, "a reason good enough", minutes, new_id())) is None
    for step in steps:
        if isinstance(step, int):
            one.forward(minutes=step)
            continue
        if isinstance(step, ReviewEmergency):
            with one.as_another():
                one.do(step)
        else:
            one.do(step)
    assert fold(ACCESS, one.events) == one.state
    ends = [event for event in one.events if isinstance(event, EmergencyEnded)]
    reviews = [event for event in one.events if isinstance(event, EmergencyReviewed)]
    assert max(len(ends), len(reviews)) <= 1
    assert len(reviews) <= len(ends), "only what is over is reviewed"
    assert all(event.at <= one.state.expires_at for event in ends)


def test_nobody_reviews_their_own():
    one = Desk(ACCESS)
    one.do(StartEmergency(ID, "a reason good enough", 1, new_id()))
    one.do(EndEmergency(ID, "ended"))
    refused = one.do(ReviewEmergency(ID, justified=True, finding="fine"))
    assert refused is not None
    assert refused.code == "own-emergency"


def test_nobody_ends_another_person_s_and_is_told_there_is_none():
    one = Desk(ACCESS)
    one.do(StartEmergency(ID, "a reason good enough", 30, new_id()))
    with one.as_another():
        refused = one.do(EndEmergency(ID, "ended"))
    assert refused is not None
    assert refused.code == "not-found"
    assert one.state.ended_at is None
    assert one.do(EndEmergency(ID, "ended")) is None
    assert one.state.end_reason == "ended"
