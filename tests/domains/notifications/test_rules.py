"""Who is told what, and when: pure rules, tried with whatever can happen."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains import incidents, notifications
from keepwell.domains.incidents import IncidentView, Severity
from keepwell.domains.incidents.models import AcknowledgeIncident, AddNote, ChangeSeverity, OpenIncident, ResolveIncident
from keepwell.domains.notifications.models.alerts import Alert, Told
from keepwell.domains.notifications.models.channels import (
    ChangeChannel,
    Channel,
    ChannelPatch,
    CreateChannel,
    DeleteChannel,
    QuietHours,
    Rules,
)
from keepwell.domains.notifications.models.notifications import (
    BeginAttempt,
    Item,
    JoinNotification,
    PlanNotification,
    RecordFailure,
    RecordSent,
    RedriveNotification,
)
from keepwell.domains.notifications.rules.alerts import Board, Gathering, Telling, course, placed
from keepwell.domains.notifications.rules.channels import quiet_until
from keepwell.domains.notifications.rules.notifications import GIVEN_UP_AFTER
from keepwell.domains.notifications.rules.wording import MOST_LINES, messages, saying
from keepwell.kernel import fold
from keepwell.kit import zones
from keepwell.kit.ids import new_id
from tests.support.desk import Desk

CHANNEL, _, NOTIFICATION = notifications.AGGREGATES
(INCIDENT,) = incidents.AGGREGATES
ID, FIRST, SECOND = new_id(), new_id(), new_id()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BERLIN = QuietHours("Europe/Berlin", "22:00", "07:00")
severities = st.sampled_from(get_args(Severity))


def channel(**rules: Any) -> Channel:
    return Channel("A channel", "webhook", "https://x.test", Rules(**rules), NOW)


def item(severity: Severity = "critical") -> Item:
    return Item(ID, "opened", severity, NOW)


# -- notifications ----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.just(BeginAttempt(ID)),
        st.just(RecordSent(ID)),
        st.just(RedriveNotification(ID)),
        st.just(JoinNotification(ID, (item(),))),
        st.builds(RecordFailure, st.just(ID), st.integers(0, 4), st.just("refused"), st.booleans()),
    ),
    max_size=20,
)


@given(STEPS)
def test_a_notification_is_the_fold_of_its_events_sent_once_and_says_the_same_from_its_first_attempt_on(steps: list[Any]):
    one = Desk(NOTIFICATION)
    assert one.do(PlanNotification(ID, FIRST, (item(),), NOW)) is None
    said = None
    for step in steps:
        sent = one.state.status == "sent"
        one.do(step)
        said = one.state.items if said is None and one.state.attempts else said
        assert said in (None, one.state.items)
        assert not sent or one.state.status == "sent"
    assert fold(NOTIFICATION, one.events) == one.state
    names = [type(event).__name__ for event in one.events]
    assert names.count("NotificationSent") <= 1
    assert one.state.attempts == names.count("AttemptBegun")


def test_it_is_tried_for_days_and_what_a_late_worker_says_does_not_count():
    one = Desk(NOTIFICATION)
    assert one.do(PlanNotification(ID, FIRST, (item(),), one.now)) is None
    for attempt in (1, 2):
        assert one.do(BeginAttempt(ID)) is None
        assert one.do(RecordFailure(ID, attempt, "refused")) is None
    assert (one.state.status, one.state.error) == ("waiting", "refused")
    assert one.do(BeginAttempt(ID)) is None
    assert one.do(RecordFailure(ID, 2, "gone", final=True)) is None
    assert one.state.status == "waiting"
    one.forward(seconds=GIVEN_UP_AFTER.total_seconds())
    assert one.do(RecordFailure(ID, 3, "refused")) is None
    assert one.state.status == "dead"
    assert one.do(RedriveNotification(ID)) is None
    assert one.do(BeginAttempt(ID)) is None
    assert one.do(RecordFailure(ID, 4, "refused")) is None
    assert one.state.status == "waiting", "with all the time a new one has"


# -- channels ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.builds(ChannelPatch, paused=st.none() | st.booleans(), after_s=st.none() | st.integers(0, 90)), max_size=8))
def test_a_channel_is_the_fold_of_its_events(patches: list[ChannelPatch]):
    one = Desk(CHANNEL)
    assert one.do(CreateChannel(ID, "A channel", "webhook", "https://x.test", Rules())) is None
    for patch in patches:
        assert one.do(ChangeChannel(ID, patch)) is None
    assert one.do(DeleteChannel(ID)) is None
    assert fold(CHANNEL, one.events) == one.state
    assert one.state.url == ""
    refused = one.do(ChangeChannel(ID, ChannelPatch(paused=True)))
    assert refused is not None
    assert refused.code == "not-found"


# -- quiet hours ------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 365 * 24 * 3600).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.sampled_from(["Europe/Berlin", "Asia/Tokyo", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0).isoformat("minutes")),
    st.times().map(lambda at: at.replace(second=0, microsecond=0).isoformat("minutes")),
)
def test_quiet_is_what_the_clocks_of_the_zone_say(now: datetime, zone: str, starts: str, ends: str):
    until = quiet_until(QuietHours(zone, starts, ends), now)
    shown = zones.local_time(now, zone).isoformat()[11:]
    between = starts <= shown < ends if starts < ends else shown >= starts or shown < ends
    changes = zones.local_time(now + timedelta(days=1), zone).time() != zones.local_time(now - timedelta(days=1), zone).time()
    assert changes or (until is not None) == between
    assert until is None or now < until <= now + timedelta(hours=26)
    assert until is None or quiet_until(QuietHours(zone, starts, ends), until) is None or starts == ends


def test_quiet_hours_follow_the_change_of_the_clocks_and_count_by_the_day_on_which_they_start():
    before, after = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 4, 59, tzinfo=UTC)
    assert quiet_until(BERLIN, before) == datetime(2026, 3, 29, 5, tzinfo=UTC), "07:00 is earlier by an hour that night"
    assert quiet_until(BERLIN, after) == datetime(2026, 3, 29, 5, tzinfo=UTC)
    assert quiet_until(BERLIN, datetime(2026, 3, 29, 5, tzinfo=UTC)) is None
    saturdays = replace(BERLIN, days=("sat",))
    assert quiet_until(saturdays, after) is not None, "it began on Saturday"
    assert quiet_until(saturdays, before + timedelta(days=1)) is None


# -- who is told ------------------------------------------------------------------------------------------------------

HAPPENINGS = st.lists(
    st.one_of(
        st.just(AcknowledgeIncident(ID)),
        st.just(ResolveIncident(ID)),
        st.just(AddNote(ID, "hm")),
        severities.map(lambda severity: ChangeSeverity(ID, severity)),
    ),
    max_size=8,
)


def lived(severity: Severity, happenings: list[Any], tags: tuple[str, ...] = ()) -> list[IncidentView]:
    """An incident as it was after each thing that happened."""
    one = Desk(INCIDENT)
    views: list[IncidentView] = []
    for command in [OpenIncident(ID, "monitor/1", severity, "Odd", tags=tags), *happenings]:
        one.do(command)
        views.append(one.view(ID))
    return views


def told_by(views: list[IncidentView], channels: dict[UUID, Channel]) -> list[Telling]:
    """What is told in all, when it is looked at the incident each time."""
    alert: Alert | None = None
    tellings: list[Telling] = []
    for seen in views:
        course_ = course(alert, seen, channels, seen.timeline[-1].at)
        tellings += course_.tellings
        before = () if alert is None else alert.told
        alert = Alert(seen.version, seen.severity, (*before, *(Told(each.channel, ID) for each in course_.tellings)))
    return tellings


@given(severities, HAPPENINGS)
def test_however_seldom_it_is_looked_nothing_is_left_out_and_nothing_told_twice(severity: Severity, happenings: list[Any]):
    views = lived(severity, happenings)
    channels = {FIRST: channel()}
    often, once = told_by(views, channels), told_by(views[-1:], channels)
    assert [each.item.happened for each in often] == [each.item.happened for each in once]
    words = [each.item.happened for each in often]
    assert words[0] == "opened"
    for word in ("opened", "acknowledged", "resolved"):
        assert words.count(word) <= 1
    assert ("resolved" in words) == (views[-1].status == "resolved")


def test_only_those_are_told_who_want_to_be_and_of_the_end_who_was_told_of_the_beginning():
    channels = {
        FIRST: channel(severities=("critical",)),
        SECOND: channel(tags=("payments",)),
    }
    views = lived("warning", [ChangeSeverity(ID, "critical"), ResolveIncident(ID)], tags=("payments", "eu"))
    assert [(each.channel, each.item.happened) for each in told_by(views, channels)] == [
        (SECOND, "opened"),
        (SECOND, "severity-changed"),
        (FIRST, "opened"),
        (FIRST, "resolved"),
        (SECOND, "resolved"),
    ]


def test_escalation_goes_to_the_next_channels_one_after_another_until_somebody_acknowledges():
    channels = {FIRST: channel(), SECOND: channel(after_s=600), ID: channel(after_s=1200)}
    [opened] = lived("critical", [])
    start = opened.opened_at
    first = course(None, opened, channels, start)
    assert [each.channel for each in first.tellings] == [FIRST]
    assert first.next_at == start + timedelta(seconds=600)
    alert = Alert(1, "critical", (Told(FIRST, ID),), first.next_at)
    second = course(alert, opened, channels, start + timedelta(seconds=600))
    assert [(each.channel, each.item.happened) for each in second.tellings] == [(SECOND, "escalated")]
    assert second.next_at == start + timedelta(seconds=1200)
    taken = lived("critical", [AcknowledgeIncident(ID)])[-1]
    alert = replace(alert, told=(Told(FIRST, ID), Told(SECOND, ID)))
    third = course(alert, taken, channels, start + timedelta(seconds=1200))
    assert [(each.channel, each.item.happened) for each in third.tellings] == [
        (FIRST, "acknowledged"),
        (SECOND, "acknowledged"),
    ]
    assert third.next_at is None


def test_of_what_has_long_been_over_nobody_is_told_and_of_what_lasts_everybody():
    opened, resolved = lived("critical", [ResolveIncident(ID)])
    later = opened.opened_at + GIVEN_UP_AFTER + timedelta(minutes=1)
    assert course(None, resolved, {FIRST: channel()}, later).tellings == ()
    assert [each.item.happened for each in course(None, opened, {FIRST: channel()}, later).tellings] == ["opened"]


# -- when -------------------------------------------------------------------------------------------------------------


def test_in_a_storm_the_first_are_told_by_themselves_and_the_rest_together():
    rules, board = channel(group_after=3, group_window_s=60), Board({}, {})
    commands, _ = placed([Telling(FIRST, item()) for _ in range(10)], {FIRST: rules}, (), board, NOW)
    plans = [each for each in commands if isinstance(each, PlanNotification)]
    assert [each.due_at for each in plans] == [NOW] * 3 + [NOW + timedelta(seconds=60)]
    assert {each.id for each in commands if isinstance(each, JoinNotification)} == {plans[-1].id}
    assert len(commands) == 10


def test_what_comes_and_goes_is_told_together_from_the_first():
    views = lived("critical", [ResolveIncident(ID)], tags=("flapping",))
    tellings = told_by(views, {FIRST: channel()})
    commands, _ = placed(tellings, {FIRST: channel(group_window_s=60)}, (), Board({}, {}), NOW)
    gathers, joins = commands
    assert isinstance(gathers, PlanNotification)
    assert (gathers.grouped, gathers.due_at) == (True, NOW + timedelta(seconds=60))
    assert isinstance(joins, JoinNotification)


def test_in_quiet_hours_what_is_not_critical_waits_for_the_morning_and_what_is_does_not():
    rules, board = channel(quiet_hours=BERLIN), Board({}, {})
    night, morning = datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 2, 6, tzinfo=UTC)
    tellings = [Telling(FIRST, item(severity)) for severity in ("warning", "critical", "info")]
    commands, told = placed(tellings, {FIRST: rules}, (), board, night)
    waiting, at_once, joined = commands
    assert isinstance(waiting, PlanNotification)
    assert isinstance(at_once, PlanNotification)
    assert (waiting.due_at, at_once.due_at) == (morning, night)
    assert isinstance(joined, JoinNotification)
    assert joined.id == waiting.id
    assert told == (Told(FIRST, waiting.id),)


def test_what_gathers_in_a_storm_is_not_what_waits_for_the_morning():
    night = datetime(2026, 3, 1, 23, tzinfo=UTC)
    storm = Board({FIRST: 9}, {FIRST: Gathering(SECOND, 1, night + timedelta(seconds=30))})
    commands, _ = placed([Telling(FIRST, item("info"))], {FIRST: channel(quiet_hours=BERLIN)}, (), storm, night)
    assert isinstance(commands[0], PlanNotification)
    assert commands[0].due_at == datetime(2026, 3, 2, 6, tzinfo=UTC)


def test_what_follows_on_what_gathers_is_told_with_it_unless_that_waits_for_the_morning():
    for seconds, kind in ((30, JoinNotification), (30_000, PlanNotification)):
        board = Board({}, {FIRST: Gathering(SECOND, 1, NOW + timedelta(seconds=seconds))})
        told = (Told(FIRST, SECOND),)
        [command], _ = placed([Telling(FIRST, item("critical"))], {FIRST: channel(group_window_s=60)}, told, board, NOW)
        assert type(command) is kind


# -- in which words ---------------------------------------------------------------------------------------------------


def test_a_message_about_many_lists_them_up_to_a_number_and_has_the_tone_of_the_worst():
    many = tuple(replace(item("info"), incident=new_id()) for _ in range(MOST_LINES + 5))
    one = Desk(NOTIFICATION)
    assert one.do(PlanNotification(ID, FIRST, (*many, item("critical")), NOW)) is None
    titles = {each.incident: "Odd\nthing" for each in one.state.items}
    [message] = messages(saying(one.view(ID), titles, "https://x.test"))
    assert message.tone == "failure"
    assert message.text.count("\n") == MOST_LINES
    assert message.text.endswith("and 6 more")
    assert "Odd thing" in message.text
