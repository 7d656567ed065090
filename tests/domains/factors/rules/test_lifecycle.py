"""What may happen to a person's factors, in any order: nothing is accepted twice, and the state is the fold of what happened."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import factors
from keepwell.domains.factors.models import (
    AddPasskey,
    ConfirmTotp,
    Factors,
    LoginPolicy,
    OfferTotp,
    Present,
    RemovePasskey,
    RemoveTotp,
    ResetFactors,
    SetLoginPolicy,
    SetRecoveryCodes,
    SpendTicket,
    TicketSpent,
    TotpAccepted,
    TotpConfirmed,
)
from keepwell.domains.factors.rules.codes import code_of, matching_step, step_at
from keepwell.domains.factors.rules.lifecycle import MOST_FAILURES, TRIES, delay, methods
from keepwell.kernel import Actor, Context, Refusal, fold
from keepwell.kernel.envelope import Command
from keepwell.kit.ids import new_id
from tests.support.desk import START

FACTORS, POLICY, *_ = factors.AGGREGATES
ME = new_id()
SECRET = b"12345678901234567890"
TICKETS = tuple(new_id() for _ in range(4))
PASSKEYS = tuple(new_id() for _ in range(2))
_COMMANDS = {command.type: command for command in FACTORS.commands}


class Person:
    """One person's factors, decided on without any kernel."""

    def __init__(self) -> None:
        self.state: Any = None
        self.events: list[Any] = []
        self.now = START

    def do(self, command: Command, role: str = "clinician", actor: UUID = ME) -> Refusal | None:
        kind = _COMMANDS[type(command)]
        if self.state is None and not kind.begins:
            return None
        context = Context(self.now, Actor(new_id(), actor, role, ()), {}, {})
        if kind.guard is not None and (refusal := kind.guard(self.state, command, context)):
            return refusal
        decided = kind.decide(self.state, command, context)
        if isinstance(decided, Refusal):
            return decided
        for event in decided:
            self.state = FACTORS.evolve(self.state, event)
            self.events.append(event)
        return None

    def until(self) -> Any:
        return self.now + timedelta(minutes=10)

    def present(self, ticket: UUID, code: str) -> Refusal | None:
        return self.do(Present(ME, ticket, self.until(), "totp", code=code))

    @property
    def verdict(self) -> str:
        return self.state.answered.verdict


def with_app() -> Person:
    person = Person()
    person.do(OfferTotp(ME, SECRET))
    assert person.do(ConfirmTotp(ME, code_of(SECRET, step_at(person.now)))) is None
    person.now += timedelta(seconds=30)
    return person


codes = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 400)),
    st.tuples(st.just("code"), st.sampled_from(TICKETS), st.integers(-3, 3)),
    st.tuples(st.just("wrong"), st.sampled_from(TICKETS)),
)
steps = st.one_of(
    codes,
    st.tuples(st.just("recovery"), st.sampled_from(TICKETS), st.sampled_from([b"a", b"b", b"c"])),
    st.tuples(st.just("codes"), st.just(0)),
    st.tuples(st.just("passkey"), st.sampled_from(TICKETS), st.sampled_from(PASSKEYS), st.integers(0, 5)),
    st.tuples(st.just("add"), st.sampled_from(TICKETS), st.sampled_from(PASSKEYS)),
    st.tuples(st.just("drop"), st.sampled_from(PASSKEYS)),
    st.tuples(st.just("spend"), st.sampled_from(TICKETS)),
    st.tuples(st.just("offer"), st.just(0)),
    st.tuples(st.just("confirm"), st.integers(-2, 2)),
    st.tuples(st.just("remove"), st.just(0)),
    st.tuples(st.just("reset"), st.just(0)),
)


def play(person: Person, step: Any) -> None:  # noqa: C901, PLR0912 - one case a step
    match step:
        case ("wait", seconds):
            person.now += timedelta(seconds=seconds)
        case ("code", ticket, drift):
            person.present(ticket, code_of(SECRET, step_at(person.now) + drift))
        case ("wrong", ticket):
            person.present(ticket, "no code")
        case ("recovery", ticket, digest):
            person.do(Present(ME, ticket, person.until(), "recovery-code", digest=digest))
        case ("codes", _):
            person.do(SetRecoveryCodes(ME, (b"a", b"b")))
        case ("passkey", ticket, passkey, count):
            person.do(Present(ME, ticket, person.until(), "passkey", passkey=passkey, sign_count=count))
        case ("add", ticket, passkey):
            person.do(AddPasskey(ME, passkey, passkey.bytes, b"key", "Phone", 0, ticket, person.until()))
        case ("drop", passkey):
            person.do(RemovePasskey(ME, passkey))
        case ("spend", ticket):
            person.do(SpendTicket(ME, ticket, person.until()))
        case ("offer", _):
            person.do(OfferTotp(ME, SECRET))
        case ("confirm", drift):
            person.do(ConfirmTotp(ME, code_of(SECRET, step_at(person.now) + drift)))
        case ("remove", _):
            person.do(RemoveTotp(ME))
        case _:
            person.do(ResetFactors(ME), "admin", new_id())


@given(st.lists(steps, max_size=40))
def test_the_state_is_the_fold_of_what_happened(plan: list[Any]):
    person = Person()
    for step in plan:
        play(person, step)
    assert fold(FACTORS, person.events) == person.state


@given(st.lists(codes, max_size=60))
def test_no_step_of_an_app_is_accepted_twice_in_any_order(plan: list[Any]):
    person = with_app()
    for step in plan:
        play(person, step)
    accepted = [event.step for event in person.events if isinstance(event, TotpAccepted | TotpConfirmed)]
    assert accepted == sorted(set(accepted))


@given(st.lists(steps, max_size=60))
def test_a_ticket_is_good_for_one_thing_and_a_few_tries_while_it_lives(plan: list[Any]):
    person = with_app()
    frozen = person.now
    for step in plan:
        if step[0] != "wait":
            play(person, step)
    assert person.now == frozen
    for ticket in TICKETS:
        own = [event for event in person.events if getattr(event, "ticket", None) == ticket]
        used = [event for event in own if isinstance(event, TicketSpent) or event.verdict == "accepted"]
        assert len(used) <= 1
        assert not used or own[-1] is used[0]
        assert len(own) <= TRIES


@given(st.integers(1, 10**9))
def test_codes_are_those_of_the_standard_and_drift_by_one_step(step: int):
    now = START.fromtimestamp(step * 30 + 7, START.tzinfo)
    assert all(matching_step(SECRET, code_of(SECRET, step + drift), now) is not None for drift in (-1, 0, 1))


def test_the_vectors_of_rfc_6238():
    told = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
    assert {at: code_of(SECRET, at // 30) for at in told} == told


def test_what_people_type_between_digits_does_not_matter():
    now = START.fromtimestamp(59, START.tzinfo)
    for typed in ("287082", " 287 082 ", "287-082"):
        assert matching_step(SECRET, typed, now) == 1
    for typed in ("", "28708", "2870822", "२८७०८२", "\ud800"):
        assert matching_step(SECRET, typed, now) is None


def test_after_a_hundred_wrong_codes_none_is_taken_until_the_app_is_set_up_again():
    person = with_app()
    for _ in range(MOST_FAILURES):
        person.now += timedelta(minutes=20)
        assert person.present(new_id(), "no code") is None
    person.now += timedelta(minutes=20)
    person.present(new_id(), code_of(SECRET, step_at(person.now)))
    assert person.verdict == "code-too-many-failures"
    person.do(OfferTotp(ME, SECRET))
    person.do(ConfirmTotp(ME, code_of(SECRET, step_at(person.now))))
    person.now += timedelta(seconds=30)
    person.present(new_id(), code_of(SECRET, step_at(person.now)))
    assert person.verdict == "accepted"


def test_the_delay_grows_ends_and_never_passes_a_quarter_of_an_hour():
    waits = [delay(Factors(failures=count, failed_at=START), START) for count in range(40)]
    assert waits[:5] == [0] * 5
    assert waits == sorted(waits)
    assert max(waits) == 15 * 60 + 1
    assert delay(Factors(failures=40, failed_at=START), START + timedelta(minutes=15)) == 0


def test_recovery_codes_alone_are_not_asked_for():
    assert methods(Factors(recovery=(b"a",))) == ()
    assert methods(None) == ()


def test_people_touch_only_what_is_theirs():
    person = with_app()
    for command in (RemoveTotp(ME), OfferTotp(ME, b"x"), Present(ME, new_id(), person.until(), "totp", code="1")):
        refusal = person.do(command, actor=new_id(), role="admin")
        assert refusal is not None
        assert refusal.code == "not-found"
    assert person.state.totp is not None


def test_a_policy_is_the_fold_of_what_was_set_and_leaves_a_way_in():
    kind = POLICY.commands[0]
    context = Context(START, Actor(new_id(), ME, "admin", ()), {}, {})
    decided = kind.decide(None, SetLoginPolicy(ME, ("password", "password"), ("admin",)), context)
    assert not isinstance(decided, Refusal)
    assert fold(POLICY, decided) == LoginPolicy(("password",), ("admin",))
    assert kind.decide(LoginPolicy(("password",), ("admin",)), SetLoginPolicy(ME, ("password",), ("admin",)), context) == ()
    assert isinstance(kind.decide(None, SetLoginPolicy(ME, (), ()), context), Refusal)
