"""What everybody sees of a monitor follows from what changed, day by day in the page's zone."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains import statuspages
from keepwell.domains.checks import Change, StatusView
from keepwell.domains.statuspages.models import (
    ChangeStatusPage,
    Component,
    CreateStatusPage,
    DeleteStatusPage,
    StatusPage,
)
from keepwell.domains.statuspages.rules.showing import DAYS, public_page
from keepwell.kernel import fold
from keepwell.kit.ids import new_id
from tests.support.desk import Desk

(PAGE,) = statuspages.AGGREGATES
MONITOR, OTHER = new_id(), new_id()
NOW = datetime(2026, 4, 10, 3, 0, tzinfo=UTC)


def page(zone: str = "UTC", *monitors: object) -> StatusPage:
    named = [Component(each, f"c{number}") for number, each in enumerate(monitors or (MONITOR,))]  # pyright: ignore[reportArgumentType]
    return StatusPage("services", "Services", "", zone, tuple(named), published=True)


def status(of: object, word: str, suspended: str | None = None) -> StatusView:
    return StatusView(of, word, NOW, None, suspended, flapping=False, checked_at=NOW, incident=None)  # pyright: ignore[reportArgumentType]


def test_an_outage_lowers_the_day_it_was_on_by_the_clocks_of_the_page():
    ups = [Change(NOW - timedelta(days=100), "up", None)]
    down = datetime(2026, 4, 8, 22, 0, tzinfo=UTC)  # the 9th in Tokyo
    changes = [*ups, Change(down, "down", None), Change(down + timedelta(hours=6), "up", None)]
    seen = public_page(page("Asia/Tokyo"), {MONITOR: status(MONITOR, "up")}, {MONITOR: changes}, NOW)
    [component] = seen.components
    assert len(component.days) == DAYS
    assert component.days[-1].day == date(2026, 4, 10)
    assert {each.day: each.uptime for each in component.days if each.uptime != 1.0} == {date(2026, 4, 9): 0.75}
    [outage] = seen.outages
    assert (outage.began_at, outage.ended_at) == (down, down + timedelta(hours=6))
    assert seen.status == "operational"


def test_what_lasts_has_no_end_and_what_is_long_over_is_not_shown():
    old = NOW - timedelta(days=40)
    changes = [
        Change(old, "down", None),
        Change(old + timedelta(hours=1), "up", None),
        Change(NOW - timedelta(days=20), "down", None),
    ]
    seen = public_page(page(), {MONITOR: status(MONITOR, "down")}, {MONITOR: changes}, NOW)
    assert [(each.began_at, each.ended_at) for each in seen.outages] == [(NOW - timedelta(days=20), None)]
    assert seen.status == "down"


def test_before_anything_was_seen_nothing_is_known():
    [component] = public_page(page(), {}, {}, NOW).components
    assert (component.status, component.uptime) == ("unknown", None)
    assert {each.uptime for each in component.days} == {None}


def test_groups_stand_together_in_the_order_in_which_they_first_come():
    named = [("a", "Patients"), ("b", "Staff"), ("c", "Patients"), ("d", ""), ("e", "Staff")]
    components = tuple(Component(new_id(), name, group) for name, group in named)
    seen = public_page(replace(page(), components=components), {}, {}, NOW)
    assert [each.name for each in seen.components] == ["a", "c", "b", "e", "d"]


def test_maintenance_is_said_and_our_own_troubles_are_nobodys_business():
    def seen(suspended: str) -> str:
        return public_page(page(), {MONITOR: status(MONITOR, "up", suspended)}, {}, NOW).status

    assert seen("maintenance") == "maintenance"
    assert {seen("own-outage"), seen("no-route")} == {"unknown"}


def test_a_page_is_as_bad_as_what_is_on_it():
    def seen(one: str, two: str) -> str:
        statuses = {MONITOR: status(MONITOR, one), OTHER: status(OTHER, two)}
        return public_page(page("UTC", MONITOR, OTHER), statuses, {}, NOW).status

    assert seen("up", "up") == "operational"
    assert seen("up", "down") == "partly-down"
    assert seen("down", "down") == "down"
    assert seen("up", "unknown") == "operational"


@given(st.lists(st.tuples(st.integers(0, 100 * 24), st.sampled_from(["up", "down", "unknown"])), max_size=30))
def test_no_day_is_better_than_whole_and_outages_are_in_order(hours: list[tuple[int, str]]):
    times = sorted(dict(hours).items(), reverse=True)
    changes = [Change(NOW - timedelta(hours=hour), word, None) for hour, word in times]  # pyright: ignore[reportArgumentType]
    seen = public_page(page("Europe/Berlin"), {}, {MONITOR: changes}, NOW)
    for day in seen.components[0].days:
        assert day.uptime is None or 0 <= day.uptime <= 1
    began = [each.began_at for each in seen.outages]
    assert began == sorted(began, reverse=True)
    assert all(each.ended_at is None or each.ended_at > each.began_at for each in seen.outages)


TEXT = st.sampled_from(["", "a", "services", "No!", "x" * 70])
COMMANDS = st.one_of(
    st.builds(
        ChangeStatusPage,
        id=st.just(MONITOR),
        slug=st.none() | TEXT,
        title=st.none() | TEXT,
        time_zone=st.none() | st.sampled_from(["UTC", "Asia/Tokyo", "Mars"]),
        components=st.none() | st.lists(st.builds(Component, st.sampled_from([MONITOR, OTHER]), TEXT), max_size=3).map(tuple),
        published=st.none() | st.booleans(),
    ),
    st.just(DeleteStatusPage(MONITOR)),
)


@given(st.lists(COMMANDS, max_size=8))
def test_the_state_is_the_fold_of_the_events(commands: list[ChangeStatusPage | DeleteStatusPage]):
    one = Desk(PAGE)
    assert one.do(CreateStatusPage(MONITOR, "services", "Services", "", "UTC", (), published=False)) is None
    for command in commands:
        one.do(command)
    assert fold(PAGE, one.events) == one.state
