"""Verdicts and transitions follow from what was seen, not from the order in which it came in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains.checks.models import MonitorState, Transition, Vote
from keepwell.domains.checks.rules.judging import PARENT_DOWN, decide, flapping, verdict
from keepwell.kit.ids import new_id

START = datetime(2026, 11, 26, tzinfo=UTC)
NEW = MonitorState("unknown", START, START - timedelta(seconds=1))
REGIONS = ("east", "south", "west")
SAID: st.SearchStrategy[Any] = st.sampled_from(["up", "down", "suspended", "missed"])


def at(number: int) -> datetime:
    return START + timedelta(seconds=5 * number)


def votes(*rows: str) -> list[Vote]:
    """One row a region, one letter an instant: u, d, s, m."""
    words = {"u": "up", "d": "down", "s": "suspended", "m": "missed", "p": "pending"}
    found: list[Vote] = []
    for region, row in zip(REGIONS, rows, strict=False):
        for number, letter in enumerate(row):
            status: Any = words[letter]
            reason = "refused" if letter == "d" else "own-outage" if letter == "s" else None
            found.append(Vote(at(number), region, status, reason))
    return found


def story(transitions: Sequence[Transition]) -> list[tuple[Any, ...]]:
    """Ids and reasons apart: which regions were heard first may decide which reason is told."""
    return [(each.at, each.before, each.after, each.suspended, each.flapping) for each in transitions]


def changes(*rows: str, quorum: int = 1) -> list[tuple[int, str, str]]:
    _, found = decide(NEW, votes(*rows), quorum, new_id)
    return [((each.at - START) // timedelta(seconds=5), each.after, each.suspended or "") for each in found]


def test_a_target_that_goes_down_and_up_makes_one_transition_each():
    assert changes("uuddduu") == [(0, "up", ""), (2, "down", ""), (5, "up", "")]


def test_a_quorum_has_to_agree_about_one_instant():
    assert changes("uddu", "uudu", "uuuu", quorum=2) == [(0, "up", ""), (2, "down", ""), (3, "up", "")]


def test_regions_that_say_nothing_are_neither_for_nor_against():
    assert changes("udm", "mmm", "mmm", quorum=2) == [(0, "up", "")]


def test_an_instant_is_judged_before_all_have_spoken_when_they_can_change_nothing():
    assert verdict(votes("d", "d", "p"), 2) is not None
    assert verdict(votes("u", "u", "p"), 2) is not None
    assert verdict(votes("u", "d", "p"), 2) is None


def test_our_own_outage_suspends_judgement_and_ends_nothing():
    assert changes("udsssdu") == [
        (0, "up", ""),
        (1, "down", ""),
        (2, "down", "own-outage"),
        (5, "down", ""),
        (6, "up", ""),
    ]


def test_an_outage_is_named_by_the_transition_that_began_it():
    _, [_, began, ended] = decide(NEW, votes("udu"), 1, new_id)
    assert began.incident == began.id == ended.incident


def test_a_monitor_that_is_deleted_while_it_is_down_ends_its_outage():
    state, _ = decide(NEW, votes("d"), 1, new_id)
    after, [transition] = decide(state, [Vote(at(1), "", "suspended", "deleted")], 1, new_id)
    assert (after.status, transition.after, transition.incident) == ("unknown", "unknown", state.incident)


def test_what_hangs_on_a_parent_that_is_down_is_not_judged():
    state, _ = decide(NEW, votes("u"), 1, new_id)
    after, [transition] = decide(state, votes("ud"), 1, new_id, parent_down=True)
    assert (after.status, transition.suspended) == ("up", PARENT_DOWN)


def test_what_is_older_than_what_was_judged_changes_nothing():
    state, _ = decide(NEW, votes("uuu"), 1, new_id)
    assert decide(state, votes("ddd"), 1, new_id) == (state, [])


def test_flapping_begins_above_thirty_and_ends_below_twenty_five_percent():
    often = sum(1 << place for place in range(0, 14, 2))
    assert flapping(often, already=False)
    assert not flapping(0b111, already=False)
    assert not flapping(0b10101, already=True)


def test_many_changes_mark_the_outages_and_each_stays_one():
    _, found = decide(NEW, votes("u" + "du" * 15), 1, new_id)
    assert [each.after for each in found] == ["up", *["down", "up"] * 15]
    assert not found[1].flapping
    assert found[-1].flapping


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Vote], int, list[list[Vote]]]:
    """Votes of some regions over some instants, a quorum, and the batches they come in: in any order, some of them again."""
    regions = REGIONS[: draw(st.integers(1, 3))]
    length = draw(st.integers(1, 12))
    said = [Vote(at(number), region, draw(SAID), "word") for region in regions for number in range(length)]
    arriving = draw(st.permutations(said + draw(st.lists(st.sampled_from(said), max_size=5))))
    cuts = sorted(draw(st.lists(st.integers(0, len(arriving)), max_size=8)))
    batches = [arriving[a:b] for a, b in zip([0, *cuts], [*cuts, len(arriving)], strict=True)]
    return said, draw(st.integers(1, 3)), batches


@given(deliveries())
def test_any_order_of_delivery_ends_in_the_transitions_of_the_ordered_one(delivery: tuple[list[Vote], int, list[list[Vote]]]):
    said, quorum, batches = delivery
    wanted_state, wanted = decide(NEW, said, quorum, new_id)
    state, found = NEW, list[Transition]()
    there = {(vote.at, vote.region): replace(vote, status="pending") for vote in said}
    for batch in batches:
        there |= {(vote.at, vote.region): vote for vote in batch}
        state, more = decide(state, there.values(), quorum, new_id)
        found += more
    assert story(found) == story(wanted)
    assert (state.status, state.since, state.settled_at, state.changes) == (
        wanted_state.status,
        wanted_state.since,
        wanted_state.settled_at,
        wanted_state.changes,
    )


@given(deliveries())
def test_outages_are_opened_and_ended_in_turn(delivery: tuple[list[Vote], int, list[list[Vote]]]):
    said, quorum, _ = delivery
    _, found = decide(NEW, said, quorum, new_id)
    outages = [each for each in found if each.before != each.after and "down" in (each.before, each.after)]
    for began, ended in zip(outages[::2], outages[1::2], strict=False):
        assert (began.after, ended.before) == ("down", "down")
        assert ended.incident == began.id


@pytest.mark.parametrize("quorum", [1, 2, 3])
@given(said=st.lists(SAID, min_size=3, max_size=3), order=st.permutations(range(3)))
def test_a_verdict_once_reached_stands(quorum: int, said: list[Any], order: list[int]):
    ballot = [Vote(START, region, "pending") for region in REGIONS]
    reached: set[str] = set()
    for place in order:
        ballot[place] = replace(ballot[place], status=said[place])
        found = verdict(ballot, quorum)
        reached |= {found.status} if found else set[str]()
    assert len(reached) == 1
