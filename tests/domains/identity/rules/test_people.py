"""An account's rules, and how addresses and passwords are judged."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.identity.models import ChangeUser, CreateUser, Role, SetPassword, User, UserEvent
from keepwell.domains.identity.rules import people
from keepwell.kernel.envelope import Actor, Context, Snapshot
from keepwell.kernel.permissions import Permission, grant, parse_scope
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PERSON, TENANT, ADMIN = new_id(), new_id(), new_id()
INDEX = b"0123456789abcdef"


def context(actor: Any = ADMIN) -> Context:
    return Context(NOW, Actor(TENANT, actor, "admin", ("user/*.cruds",)), {}, {})


def created(role: Role = "clinician", **fields: Any) -> User:
    command = CreateUser(PERSON, "ana@clinic.test", INDEX, fields.pop("name", "Ana"), role, "hash")
    decision = people.decide_create(None, command, context())
    assert not isinstance(decision, Refusal)
    return people.evolve(None, decision[0])


def test_a_new_account_is_active_and_its_name_is_trimmed_and_composed():
    user = created(name="  Zoe\u0308 ")
    assert (user.name, user.active, user.password_set_at) == ("Zo\u00eb", True, NOW)


@pytest.mark.parametrize("email", ["", "a", "@b", "a@", "a b@c", "a@b\n", "a" * 65 + "@b.test", "a@" + "b" * 260])
def test_something_that_is_no_address_is_refused_with_a_pointer(email: str):
    decision = people.decide_create(None, CreateUser(PERSON, email, INDEX, "Ana", "patient"), context())
    assert isinstance(decision, Refusal)
    assert [fault.pointer for fault in decision.faults] == ["/email"]


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * 201])
def test_a_name_that_cannot_be_shown_is_refused_with_a_pointer(name: str):
    decision = people.decide_create(None, CreateUser(PERSON, "a@b.test", INDEX, name, "patient"), context())
    assert isinstance(decision, Refusal)
    assert [fault.pointer for fault in decision.faults] == ["/name"]


def test_a_change_makes_one_event_for_each_thing_that_differs():
    user = created()
    decision = people.decide_change(user, ChangeUser(PERSON, name="Ana", role="admin", active=False), context())
    assert not isinstance(decision, Refusal)
    assert [type(event).__name__ for event in decision] == ["UserRoleChanged", "UserDisabled"]
    assert people.decide_change(user, ChangeUser(PERSON), context()) == ()


@pytest.mark.parametrize("change", [ChangeUser(PERSON, active=False), ChangeUser(PERSON, role="admin")])
def test_nobody_disables_or_promotes_themselves(change: ChangeUser):
    decision = people.decide_change(created(), change, context(PERSON))
    assert isinstance(decision, Refusal)
    assert decision.code == "own-account"


def test_anyone_entitled_may_rename_themselves():
    assert not isinstance(people.decide_change(created(), ChangeUser(PERSON, name="Anna"), context(PERSON)), Refusal)


def test_only_a_patient_has_a_compartment():
    assert people.subject(created("patient")) == f"Patient/{PERSON}"
    assert people.subject(created("clinician")) is None


def test_a_view_holds_neither_password_nor_index():
    shown = people.view(Snapshot("user", PERSON, 1, created(), NOW, NOW, b""))
    assert not {"password_hash", "email_index"} & set(shown.__struct_fields__)


CHANGES = st.one_of(
    st.builds(
        ChangeUser,
        st.just(PERSON),
        name=st.none() | st.sampled_from(["Ana", "Bo", "\u00c5sa"]),
        role=st.none() | st.sampled_from(get_args(Role)),
        active=st.none() | st.booleans(),
    ),
    st.builds(SetPassword, st.just(PERSON), st.sampled_from(["h1", "h2"])),
)


@given(st.lists(CHANGES))
def test_folding_the_events_gives_the_state(commands: list[ChangeUser | SetPassword]):
    decision = people.decide_create(None, CreateUser(PERSON, "a@b.test", INDEX, "Ana", "patient"), context())
    assert not isinstance(decision, Refusal)
    events: list[UserEvent] = list(decision)
    state = people.evolve(None, events[0])
    for command in commands:
        if isinstance(command, ChangeUser):
            decided = people.decide_change(state, command, context())
        else:
            decided = people.decide_set_password(state, command, context())
        assert not isinstance(decided, Refusal)
        for event in decided:
            events.append(event)
            state = people.evolve(state, event)
    folded = None
    for event in events:
        folded = people.evolve(folded, event)
    assert folded == state


@given(st.text())
def test_normalising_an_address_twice_changes_nothing_more(text: str):
    once = people.normal_email(text)
    assert people.normal_email(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ana@Clinic.test", " ana@clinic.TEST "), ("zoe\u0308@b.test", "ZO\u00cb@b.test"), ("stra\u00dfe@b.test", "STRASSE@b.test")],
)
def test_spellings_of_one_address_are_one(one: str, other: str):
    assert people.normal_email(one) == people.normal_email(other)


@pytest.mark.parametrize("role", get_args(Role))
def test_every_role_has_scopes_that_parse(role: Role):
    assert [parse_scope(scope) for scope in people.SCOPES[role]]


@pytest.mark.parametrize(
    ("role", "resource", "letters"),
    [
        ("admin", "Questionnaire", "cruds"),
        ("admin", "AuditEvent", "cruds"),
        ("admin", "User", "cruds"),
        ("clinician", "Questionnaire", "crus"),
        ("clinician", "QuestionnaireResponse", "crus"),
        ("clinician", "User", "r"),
        ("clinician", "AuditEvent", ""),
        ("clinician", "BreakGlass", "cd"),
        ("patient", "BreakGlass", ""),
        ("clinician", "ApiKey", ""),
        ("patient", "Questionnaire", "rs"),
        ("patient", "QuestionnaireResponse", "crus"),
        ("patient", "AuditEvent", ""),
        ("patient", "User", "r"),
        ("patient", "Session", "ruds"),
    ],
)
def test_a_role_may_do_exactly_this(role: Role, resource: str, letters: str):
    allowed = "".join(letter for letter in "cruds" if grant(people.SCOPES[role], Permission(resource, letter)))
    assert allowed == letters


@pytest.mark.parametrize("resource", ["QuestionnaireResponse", "User"])
def test_a_patient_reaches_only_their_own(resource: str):
    granted = grant(people.SCOPES["patient"], Permission(resource, "r"))
    assert granted is not None
    assert granted.own_compartment_only
