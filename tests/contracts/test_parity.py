"""Nobody can tell through which door a command came: same outcome, same stored state, same journal, same records, same metrics.

A new door is one adapter (tests/support/parity/doors.py) away from all of it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from keepwell.domains.responses import PatchResponse, SubmitResponse
from keepwell.kernel import Envelope, Outcome, Refusal
from keepwell.kernel.problems import VERSION_CONFLICT
from tests.support.cluster import Cluster
from tests.support.parity.doors import Bulk, Door, Fhir, GraphQL, Rest, WebSocket
from tests.support.parity.scenarios import SCENARIOS, Play
from tests.support.parity.stage import Evidence, Stage, staged

DOORS: tuple[type[Door], ...] = (Rest, Bulk, WebSocket, Fhir, GraphQL)
OTHERS = DOORS[1:]


@pytest.fixture
async def stage(cluster: Cluster, worker: str, valkey_url: str) -> AsyncIterator[Stage]:
    urls = cluster.clone(f"parity_{worker}")
    async with staged(urls, valkey_url) as stage:
        yield stage
    cluster.drop(urls.name)


async def played(kind: type[Door], stage: Stage, name: str) -> tuple[list[Any], Evidence]:
    """What was told through a door, and what is there afterwards."""
    door = kind(stage)
    before = stage.commands()
    play = Play(door, stage, [], [])
    try:
        await SCENARIOS[name].act(play)
    finally:
        await door.close()
    told = [each.compared for each in play.told]
    assert told, "a scenario says something"
    return told, await stage.evidence(play.responses, before)


async def hold(stage: Stage, kind: type[Door], names: Sequence[str] = tuple(SCENARIOS)) -> None:
    """Holds a door to what REST does, scenario by scenario.

    Raises:
        AssertionError: somebody could tell the difference.
    """
    for name in names:
        if SCENARIOS[name].needs & kind.lacks:
            continue
        expected, left = await played(Rest, stage, name)
        told, found = await played(kind, stage, name)
        assert told == expected, f"{kind.__name__} answers otherwise in {name}"
        parts = ["stored", "journal", "refusals", "commands"]
        if kind.enters and SCENARIOS[name].unseen:
            parts = parts[:2]
            assert outcomes(found) == outcomes(left), f"{kind.__name__} leaves other refusals in {name}"
        if kind.rehearses and SCENARIOS[name].unknown:
            parts = parts[:2]
        for part in parts:
            assert getattr(found, part) == getattr(left, part), f"{kind.__name__} leaves other {part} in {name}"


def outcomes(evidence: Evidence) -> set[tuple[str, str]]:
    """Who was refused, and why: at the door or at the command."""
    return {(outcome, role) for _, outcome, role in evidence.refusals}


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
async def test_a_door_does_what_every_door_does(stage: Stage, kind: type[Door]):
    await hold(stage, kind)


@pytest.mark.parametrize("kind", DOORS, ids=lambda kind: kind.__name__)
async def test_only_the_audit_tells_the_door(stage: Stage, kind: type[Door]):
    _, found = await played(kind, stage, "patch")
    assert found.doors == ["http", *[kind.name] * 3]  # begun over REST, changed through the door


def test_every_door_has_nearly_everything():
    """What a door lacks is written down, and little."""
    assert {kind.__name__: sorted(kind.lacks) for kind in DOORS} == {
        "Rest": [],
        "Bulk": [],
        "WebSocket": ["create"],
        "Fhir": ["merge", "rows"],
        "GraphQL": [],
    }
    assert {need for entry in SCENARIOS.values() for need in entry.needs} == {"create", "merge", "rows"}


# -- the suite must notice a door with a rule of its own --------------------------------------------------------------


def takes_less(envelope: Envelope) -> Envelope:
    """Leaves an answer out, silently."""
    if not isinstance(envelope.command, PatchResponse):
        return envelope
    answers = {name: value for name, value in envelope.command.answers.items() if name != "note"}
    return msgspec.structs.replace(envelope, command=msgspec.structs.replace(envelope.command, answers=answers))


def asks_for_no_version(envelope: Envelope) -> Envelope:
    """Writes over whatever is there."""
    return msgspec.structs.replace(envelope, merge=True)


def forgets_keys(envelope: Envelope) -> Envelope:
    """Does it again when it is sent again."""
    return msgspec.structs.replace(envelope, idempotency_key=None)


def speaks_for_another_purpose(envelope: Envelope) -> Envelope:
    """Says another purpose of use in the journal."""
    return msgspec.structs.replace(envelope, origin=msgspec.structs.replace(envelope.origin, purpose="HMARKT"))


PRIVATE_RULES = (takes_less, asks_for_no_version, forgets_keys, speaks_for_another_purpose)


def with_private_rule(stage: Stage, door: str, rule: Callable[[Envelope], Envelope]) -> None:
    """Gives one door a rule that the others do not have."""
    execute = stage.parts.kernel.execute

    async def otherwise(envelopes: Sequence[Envelope], **options: Any) -> list[Outcome]:
        return await execute([rule(each) if each.origin.door == door else each for each in envelopes], **options)

    stage.parts.kernel.execute = otherwise


@pytest.mark.parametrize("rule", PRIVATE_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
async def test_a_door_with_a_rule_of_its_own_is_noticed(stage: Stage, kind: type[Door], rule: Callable[[Envelope], Envelope]):
    with_private_rule(stage, kind.name, rule)
    with pytest.raises(AssertionError, match=f"{kind.__name__} (answers otherwise|leaves other)"):
        await hold(stage, kind, ("patch", "stale_patch", "replayed_key"))


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
async def test_a_door_with_an_error_of_its_own_is_noticed(stage: Stage, kind: type[Door]):
    execute = stage.parts.kernel.execute

    async def otherwise(envelopes: Sequence[Envelope], **options: Any) -> list[Outcome]:
        outcomes = await execute(envelopes, **options)
        return [
            msgspec.structs.replace(outcome, refusal=Refusal(VERSION_CONFLICT))
            if outcome.refusal is not None and each.origin.door == kind.name and isinstance(each.command, SubmitResponse)
            else outcome
            for each, outcome in zip(envelopes, outcomes, strict=True)
        ]

    stage.parts.kernel.execute = otherwise
    with pytest.raises(AssertionError, match=f"{kind.__name__} answers otherwise in submit"):
        await hold(stage, kind, ("submit",))
