"""What may happen to a monitor: the state is always the fold of its events, and always one that can be checked."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from keepwell.domains import monitors
from keepwell.domains.monitors.models import (
    Assertion,
    Basic,
    ChangeMonitor,
    Changes,
    CreateMonitor,
    DeleteMonitor,
    Heartbeat,
    Http,
    Maintenance,
    PauseMonitor,
    Recurring,
    ResumeMonitor,
    RotateHeartbeat,
    Secrets,
    SecretsChange,
    Source,
    Step,
)
from keepwell.domains.monitors.routes.bodies import NewMonitor
from keepwell.domains.monitors.rules import lifecycle, validity
from keepwell.kernel import fold
from keepwell.kit.ids import new_id
from tests.domains.monitors.support import monitor
from tests.support.desk import Desk

MONITOR = monitors.AGGREGATES[0]
ID = new_id()
NEW = NewMonitor(name="Portal", target="https://portal.clinic.example/")


def either(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | strategy


CHANGES = st.builds(
    Changes,
    name=either(st.sampled_from(["Portal", "", "Other"])),
    target=either(st.sampled_from(["https://portal.clinic.example/", "http://127.0.0.1/", "clinic.example:5432", ""])),
    interval_s=either(st.sampled_from([1, 5, 60])),
    regions=either(st.sampled_from([("default",), ("eu", "us"), (), ("eu", "eu")])),
    quorum=either(st.none() | st.integers(0, 3)),
    assertions=either(st.sampled_from([(), (Assertion("status", "equals", 200),), (Assertion("status", "equals", "x"),)])),
    http=either(st.sampled_from([Http(), Http(headers={"Authorization": "x"}), Http(body="{{pin}}"), Http(method="post")])),
    secrets=either(
        st.builds(
            SecretsChange,
            basic=either(st.none() | st.just(Basic("a", "b"))),
            bearer=either(st.none() | st.just("t")),
            variables=either(st.dictionaries(st.just("pin"), st.none() | st.just("1"), max_size=1)),
        )
    ),
    maintenance=either(st.sampled_from([(), (Maintenance(),), (Maintenance(recurring=Recurring("0 2 * * *", "UTC", 60)),)])),
)
COMMANDS = st.one_of(
    st.builds(ChangeMonitor, id=st.just(ID), changes=CHANGES, private=st.booleans()),
    st.builds(ChangeMonitor, id=st.just(ID), changes=st.just(Changes()), source=st.just(Source("gatus", "a/b", b"1"))),
    st.sampled_from([PauseMonitor(ID), ResumeMonitor(ID), DeleteMonitor(ID), RotateHeartbeat(ID, b"x")]),
)


@given(st.booleans(), st.lists(COMMANDS, max_size=12))
def test_the_state_is_the_fold_of_the_events_and_can_be_checked(beats: bool, commands: list[Any]):  # noqa: FBT001 - drawn
    new = NewMonitor(name="Export", kind="heartbeat", heartbeat=Heartbeat(period_s=60)) if beats else NEW
    one = Desk(MONITOR)
    assert one.do(CreateMonitor(ID, new.configuration(), b"digest")) is None
    assert (one.state.heartbeat_digest is not None) == beats
    for command in commands:
        before = one.state
        refused = one.do(command)
        assert refused is None or one.state is before
        assert not (before.deleted and one.state is not before)
        assert validity.faults(lifecycle.configuration_of(one.state), private=True) == ()
    assert fold(MONITOR, one.events) == one.state


@given(CHANGES, CHANGES)
def test_a_change_is_made_once_and_leaves_what_it_does_not_name(first: Changes, second: Changes):
    before = lifecycle.configuration_of(monitor())
    once = lifecycle.changed(before, first)
    assert lifecycle.changed(once, first) == once
    for name in Changes.__struct_fields__:
        if getattr(second, name) is UNSET:
            assert getattr(lifecycle.changed(once, second), name) == getattr(once, name)


def test_secrets_change_each_by_itself():
    before = lifecycle.configuration_of(monitor(secrets=Secrets(bearer="t", headers={"a": "1", "b": "2"})))
    changes = Changes(secrets=SecretsChange(headers={"a": None, "c": "3"}))
    assert lifecycle.changed(before, changes).secrets == Secrets(bearer="t", headers={"b": "2", "c": "3"})


def test_most_regions_have_to_agree_unless_somebody_says_how_many():
    regions = ("a", "b", "c", "d")
    assert [monitor(regions=regions[:count]).agreeing for count in (1, 2, 3, 4)] == [1, 2, 2, 3]
    assert monitor(regions=regions, quorum=1).agreeing == 1


def test_what_proves_who_asks_stands_in_no_step_but_among_the_secrets():
    wrong = Step("log in", "/login", Http(headers={"Authorization": "canary"}))
    right = Step("log in", "/login", Http(headers={"Authorization": "Bearer {{token}}"}))
    said: dict[str, Any] = {"name": "Log in", "kind": "flow", "target": "https://portal.clinic.example"}
    refused = Desk(MONITOR).do(CreateMonitor(ID, NewMonitor(**said, steps=(wrong,)).configuration()))
    assert refused is not None
    assert [(fault.pointer, fault.code) for fault in refused.faults] == [("/steps/0/http/headers", "secret")]
    assert "canary" not in str(refused.faults)
    secrets = Secrets(variables={"token": "canary"})
    assert Desk(MONITOR).do(CreateMonitor(ID, NewMonitor(**said, steps=(right,), secrets=secrets).configuration())) is None
