"""A session's rules, played through without a database: races, lost replies, theft, limits."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains.identity.models import (
    ContinueSession,
    EndSession,
    RefreshSession,
    Session,
    SessionEnded,
    SessionEvent,
    SessionLimits,
    SessionReauthenticated,
    StartSession,
    User,
)
from keepwell.domains.identity.rules import sessions
from keepwell.kernel.envelope import Actor, Context, Snapshot
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import NIL, new_id

BEGIN = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
LIMITS = SessionLimits(absolute=12 * 3600, idle=3600, grace=60)
SESSION, PERSON, TENANT = new_id(), new_id(), new_id()


class Played:
    """One session and the account it belongs to, with a clock moved by hand and every event kept."""

    def __init__(self, limits: SessionLimits = LIMITS) -> None:
        self.now = BEGIN
        self.user = User(PERSON, "a@b.test", b"i" * 16, "A", "clinician", BEGIN, "hash", BEGIN)
        self.state: Session | None = None
        self.events: list[SessionEvent] = []
        assert not isinstance(self._apply(sessions.decide_start, StartSession(SESSION, PERSON, BEGIN, limits)), Refusal)

    def _apply(self, decide: Any, command: Any, actor: UUID = PERSON, role: str = "clinician") -> tuple[Any, ...] | Refusal:
        user = Snapshot("user", PERSON, 1, self.user, BEGIN, BEGIN, b"")
        context = Context(self.now, Actor(TENANT, actor, role, ()), {("user", PERSON): user}, {})
        decision = decide(self.state, command, context)
        if not isinstance(decision, Refusal):
            for event in decision:
                self.events.append(event)
                self.state = sessions.evolve(self.state, event)
        return decision

    def refresh(self, generation: int) -> int | None:
        """The generation handed back, or None when the caller gets 401."""
        decision = self._apply(sessions.decide_refresh, RefreshSession(SESSION, generation))
        return None if isinstance(decision, Refusal) or self.ended else self.current.generation

    def use(self) -> bool:
        """Says that the session is used, as a browser's is; whether it lives."""
        decision = self._apply(sessions.decide_continue, ContinueSession(SESSION))
        return not isinstance(decision, Refusal) and not self.ended

    def end(self, actor: UUID = PERSON, role: str = "clinician") -> tuple[Any, ...] | Refusal:
        return self._apply(sessions.decide_end, EndSession(SESSION, "logout"), actor, role)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def current(self) -> Session:
        assert self.state is not None
        return self.state

    @property
    def ended(self) -> bool:
        return self.current.ended_at is not None


# Each call of a round: how long after the one before it reaches us, and whether its reply is lost on the way back.
CALL = st.tuples(st.floats(0, LIMITS.grace / 20), st.booleans())
ROUND = st.lists(CALL, min_size=1, max_size=19)
PAUSE = st.floats(0, LIMITS.idle - 2 * LIMITS.grace)


@given(st.lists(st.tuples(PAUSE, ROUND), min_size=1, max_size=10))
def test_an_honest_session_survives_every_interleaving_of_tabs_and_lost_replies(
    rounds: list[tuple[float, list[tuple[float, bool]]]],
):
    """Up to twenty tabs share one stored token. Each asks with what is stored when it asks; some replies are lost.

    The last call of a round gets its reply: a client that never hears back for a whole grace window logs in again.
    """
    played = Played(SessionLimits(absolute=24 * 3600, idle=3600, grace=60))
    stored = 0
    for pause, calls in rounds:
        played.wait(pause)
        asked_with = stored
        for delay, lost in [*calls, (0.0, False)]:
            played.wait(delay)
            answered = played.refresh(asked_with)
            assert answered is not None
            assert answered == asked_with + 1
            if not lost:
                stored = answered
    assert not played.ended
    assert played.current.generation == len(rounds)


@given(st.integers(2, 12), st.data())
def test_a_token_two_or_more_behind_ends_the_session_whenever_it_comes(refreshes: int, data: st.DataObject):
    played = Played()
    for generation in range(refreshes):
        assert played.refresh(generation) == generation + 1
        played.wait(data.draw(st.floats(0, 600)))
    old = data.draw(st.integers(0, refreshes - 2))
    assert played.refresh(old) is None
    last = played.events[-1]
    assert isinstance(last, SessionEnded)
    assert (last.reason, last.presented) == ("refresh-token-reused", old)
    assert played.refresh(refreshes) is None, "the honest holder has to log in again, and so has the thief"
    assert sessions.expires_at(played.current) < BEGIN


@given(st.floats(LIMITS.grace + 0.001, LIMITS.idle - 1))
def test_the_token_just_before_the_current_one_is_theft_after_the_grace_window(later: float):
    played = Played()
    assert played.refresh(0) == 1
    played.wait(later)
    assert played.refresh(0) is None
    assert played.current.end_reason == "refresh-token-reused"


def test_the_grace_window_is_closed_at_its_end():
    played = Played()
    played.refresh(0)
    played.wait(LIMITS.grace)
    assert played.refresh(0) == 1


def test_a_repeated_answer_is_no_new_event_and_does_not_prolong_the_window():
    played = Played()
    played.refresh(0)
    events = len(played.events)
    for _ in range(3):
        played.wait(LIMITS.grace / 3)
        assert played.refresh(0) == 1
    assert len(played.events) == events
    played.wait(1)
    assert played.refresh(0) is None


def test_a_generation_not_given_out_yet_is_refused_and_ends_nothing():
    played = Played()
    assert played.refresh(5) is None
    assert not played.ended
    assert played.refresh(0) == 1


def test_a_session_is_over_after_the_idle_limit():
    played = Played()
    played.wait(LIMITS.idle)
    assert played.refresh(0) is None


def test_refreshing_prolongs_a_session_up_to_the_absolute_limit_and_no_further():
    played = Played()
    generation = 0
    while (answered := played.refresh(generation)) is not None:
        generation = answered
        played.wait(LIMITS.idle / 2)
    assert played.now - BEGIN == timedelta(seconds=LIMITS.absolute)
    assert not played.ended, "it ran out; nobody ended it"


@given(st.lists(st.floats(0, LIMITS.idle - LIMITS.idle / 16 - 1), min_size=1))
def test_a_session_that_is_used_lives_until_its_absolute_limit_and_gives_out_no_tokens(pauses: list[float]):
    played = Played()
    for pause in pauses:
        played.wait(pause)
        assert played.use() == (played.now - BEGIN < timedelta(seconds=LIMITS.absolute))
    assert played.current.generation == 0
    assert not played.ended


def test_a_use_that_was_noted_a_moment_ago_is_no_new_event():
    played = Played()
    played.wait(LIMITS.idle / 2)
    for _ in range(20):
        assert played.use()
        played.wait(1)
    assert len(played.events) == 2


def test_a_browsers_session_ends_with_its_account_or_password_at_the_next_use():
    for change in ({"active": False}, {"password_set_at": BEGIN + timedelta(seconds=1)}):
        played = Played()
        played.user = replace(played.user, **change)
        assert not played.use()
    assert played.current.end_reason == "password-changed"


def test_a_disabled_account_ends_its_session_at_the_next_refresh():
    played = Played()
    played.user = User(PERSON, "a@b.test", b"i" * 16, "A", "clinician", BEGIN, "hash", BEGIN, active=False)
    assert played.refresh(0) is None
    assert played.current.end_reason == "user-disabled"


def test_a_session_begun_with_another_password_ends_at_the_next_refresh():
    played = Played()
    assert played.refresh(0) == 1
    played.wait(1)
    played.user = User(PERSON, "a@b.test", b"i" * 16, "A", "clinician", BEGIN, "another hash", played.now)
    assert played.refresh(1) is None
    assert played.current.end_reason == "password-changed"


def test_a_changed_role_arrives_with_the_next_refresh():
    played = Played()
    played.user = User(PERSON, "a@b.test", b"i" * 16, "A", "admin", BEGIN, "hash", BEGIN)
    assert played.refresh(0) == 1
    assert played.current.role == "admin"


def test_people_end_their_own_sessions_and_administrators_any():
    assert not isinstance(Played().end(), Refusal)
    assert not isinstance(Played().end(new_id(), "admin"), Refusal)
    refused = Played().end(new_id(), "clinician")
    assert isinstance(refused, Refusal)
    assert refused.code == "not-found", "another person's session is not there"


def test_ending_twice_keeps_the_first_end():
    played = Played()
    played.end()
    played.wait(5)
    assert played.end() == ()
    assert played.current.ended_at == BEGIN


def test_a_login_is_refused_when_the_password_was_changed_meanwhile():
    user = User(PERSON, "a@b.test", b"i" * 16, "A", "clinician", BEGIN, "new", BEGIN + timedelta(seconds=1))
    context = Context(
        BEGIN,
        Actor(TENANT, PERSON, "clinician", ()),
        {("user", PERSON): Snapshot("user", PERSON, 2, user, BEGIN, BEGIN, b"")},
        {},
    )
    decision = sessions.decide_start(None, StartSession(SESSION, PERSON, BEGIN, LIMITS), context)
    assert isinstance(decision, Refusal)
    assert decision.code == "unauthenticated"


@given(
    st.lists(st.tuples(st.floats(0, 4000), st.sampled_from(["refresh", "use", "end", "disable", "enable"]), st.integers(-3, 1)))
)
def test_folding_the_events_gives_the_state_and_an_end_is_final(steps: list[tuple[float, str, int]]):
    played = Played()
    generations = [0]
    ended_at: datetime | None = None
    for seconds, what, offset in steps:
        played.wait(seconds)
        if what == "refresh":
            played.refresh(max(0, played.current.generation + offset))
        elif what == "use":
            played.use()
        elif what == "end":
            played.end()
        else:
            active = what == "enable"
            played.user = User(PERSON, "a@b.test", b"i" * 16, "A", "clinician", BEGIN, "hash", BEGIN, active=active)
        generations.append(played.current.generation)
        ended_at = ended_at or played.current.ended_at
        assert played.current.ended_at == ended_at
    assert generations == sorted(generations)
    folded = None
    for event in played.events:
        folded = sessions.evolve(folded, event)
    assert folded == played.state
    assert sessions.expires_at(played.current) <= BEGIN + timedelta(seconds=LIMITS.absolute)


def test_a_session_proves_who_its_holder_is_from_its_login_and_one_of_an_emergency_does_not():
    session = Played().current
    assert sessions.authenticated_at(session) == BEGIN
    emergency = replace(session, emergency=SESSION)
    assert sessions.authenticated_at(emergency) is None
    later = BEGIN + timedelta(minutes=1)
    assert sessions.authenticated_at(sessions.evolve(emergency, SessionReauthenticated(("password",), later))) == later


def test_a_view_holds_no_secret_and_no_token():
    view = sessions.view(Snapshot("session", SESSION, 1, Played().current, BEGIN, BEGIN, b""))
    assert view.expires_at == BEGIN + timedelta(seconds=LIMITS.idle)
    assert set(view.__struct_fields__) == {
        "id", "user", "role", "generation", "started_at", "refreshed_at", "expires_at", "ended_at", "end_reason",
        "emergency", "methods",
    }  # fmt: skip
    assert view.user != NIL
