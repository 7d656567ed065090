"""What people do with responses, as a table: each scenario is played through every door that has what it needs."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from tests.support.parity.doors import Asked, Door, Rest, Told
from tests.support.parity.stage import Stage

GIVEN = {"name": "Ada", "age": 36}


class Play(NamedTuple):
    """A scenario under way: the door, and all that was told through it. Responses it is about are begun over REST."""

    door: Door
    stage: Stage
    responses: list[UUID]
    told: list[Told]

    def by(self, who: str, if_match: int | None = None, key: str | None = None) -> Asked:
        return Asked(self.stage.people[who], if_match, key)

    async def begun(self, answers: dict[str, Any] | None = None, subject: str | None = None) -> UUID:
        """A response that was there before."""
        asked = self.by("clinician")
        told = await Rest(self.stage).create(asked, self.stage.questionnaire, GIVEN if answers is None else answers, subject)
        assert told.id is not None, told
        self.responses.append(told.id)
        return told.id

    def note(self, told: Told) -> Told:
        self.told.append(told)
        if told.id is not None and told.id not in self.responses:
            self.responses.append(told.id)
        return told


Scenario = Callable[[Play], Awaitable[None]]


class Entry(NamedTuple):
    """A row of the table: the actions a door needs, and what is done.

    `unseen`: somebody asks who may not even see the response. `unknown`: an item is answered that the form does not have.
    """

    needs: frozenset[str]
    act: Scenario
    unseen: bool
    unknown: bool


SCENARIOS: dict[str, Entry] = {}
"""By name."""


def scenario(*needs: str, unseen: bool = False, unknown: bool = False) -> Callable[[Scenario], Scenario]:
    """Enters a scenario into the table, under the name of its function."""

    def enter(play: Scenario) -> Scenario:
        SCENARIOS[play.__name__] = Entry(frozenset(needs), play, unseen, unknown)
        return play

    return enter


@scenario("create")
async def create(play: Play) -> None:
    door, form = play.door, play.stage.questionnaire
    play.note(await door.create(play.by("clinician"), form, GIVEN, "Patient/1"))
    play.note(await door.create(play.by("clinician"), form, {}))
    play.note(await door.create(play.by("patient"), form, GIVEN))


@scenario("create", unknown=True)
async def create_badly(play: Play) -> None:
    door, form = play.door, play.stage.questionnaire
    play.note(await door.create(play.by("clinician"), form, {"nobody": "x"}))
    play.note(await door.create(play.by("clinician"), form, {"age": "old"}))
    play.note(await door.create(play.by("clinician"), play.stage.draft, GIVEN))
    play.note(await door.create(play.by("clinician"), str(uuid4()), GIVEN))
    play.note(await door.create(play.by("stranger"), form, GIVEN))
    play.note(await door.create(play.by("patient"), form, GIVEN, "Patient/somebody-else"))


@scenario()
async def patch(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"note": "one"}))
    play.note(await play.door.patch(play.by("colleague", 2), id_, {"note": "two", "age": 37}))
    play.note(await play.door.patch(play.by("clinician", 3), id_, {"note": None}))


@scenario(unknown=True)
async def patch_badly(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"age": "old"}))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"nobody": "x", "note": "kept back"}))
    play.note(await play.door.patch(play.by("clinician"), id_, {"note": "without a version"}))


@scenario()
async def stale_patch(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.patch(play.by("colleague", 1), id_, {"note": "first"}))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"age": 40}))
    play.note(await play.door.patch(play.by("clinician", 9), id_, {"age": 40}))
    play.note(await play.door.patch(play.by("clinician", 2), id_, {"age": 40}))


@scenario("merge")
async def merge(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.patch(play.by("colleague", 1), id_, {"note": "theirs"}))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"age": 40}, merge=True))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"note": "mine"}, merge=True))


@scenario("rows")
async def rows(play: Play) -> None:
    id_ = await play.begun()
    told = play.note(await play.door.add_row(play.by("clinician", 1), id_, "visit", {"reason": "a cough"}))
    play.note(await play.door.add_row(play.by("clinician", 2), id_, "name", {}))
    assert told.row is not None
    play.note(await play.door.patch(play.by("clinician", 2), id_, {f"visit[{told.row}].place": "here"}))
    play.note(await play.door.remove_row(play.by("clinician", 3), id_, told.row))
    play.note(await play.door.remove_row(play.by("clinician", 4), id_, told.row))


@scenario()
async def submit(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.submit(play.by("clinician", 9), id_))
    play.note(await play.door.submit(play.by("clinician", 1), id_))
    play.note(await play.door.submit(play.by("clinician", 2), id_))


@scenario()
async def submit_what_is_not_complete(play: Play) -> None:
    id_ = await play.begun({"age": 1})
    play.note(await play.door.submit(play.by("clinician", 1), id_))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"name": "Ada"}))
    play.note(await play.door.submit(play.by("clinician", 2), id_))


@scenario()
async def edit_after_submit(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.submit(play.by("clinician", 1), id_))
    play.note(await play.door.patch(play.by("clinician", 2), id_, {"note": "too late"}))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"note": "too late, and stale"}))


@scenario()
async def amend(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.amend(play.by("clinician", 1), id_, "too early", {"age": 40}))
    play.note(await play.door.submit(play.by("clinician", 1), id_))
    play.note(await play.door.amend(play.by("clinician", 1), id_, "stale", {"age": 40}))
    play.note(await play.door.amend(play.by("clinician", 2), id_, "a slip", {"age": 40}))
    play.note(await play.door.amend(play.by("clinician", 3), id_, "incomplete", {"name": None}))
    play.note(await play.door.amend(play.by("clinician", 3), id_, "another slip", {"age": 41}))


@scenario()
async def void(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.void(play.by("clinician", 1), id_, "the wrong person"))
    play.note(await play.door.void(play.by("clinician", 2), id_, "again"))
    play.note(await play.door.patch(play.by("clinician", 2), id_, {"note": "too late"}))


@scenario(unseen=True)
async def forbidden(play: Play) -> None:
    id_ = await play.begun(subject="Patient/somebody-else")
    play.note(await play.door.patch(play.by("patient", 1), id_, {"note": "not mine"}))
    play.note(await play.door.submit(play.by("patient", 1), id_))


@scenario()
async def ones_own(play: Play) -> None:
    id_ = await play.begun(subject=play.stage.people["patient"].subject)
    play.note(await play.door.patch(play.by("patient", 1), id_, {"note": "mine"}))
    play.note(await play.door.submit(play.by("patient", 2), id_))


@scenario(unseen=True)
async def other_clinic(play: Play) -> None:
    id_ = await play.begun()
    play.note(await play.door.patch(play.by("stranger", 1), id_, {"note": "not there"}))
    play.note(await play.door.submit(play.by("stranger", 1), id_))
    play.note(await play.door.patch(play.by("clinician", 1), uuid4(), {"note": "nowhere"}))


@scenario()
async def replayed_key(play: Play) -> None:
    id_, key = await play.begun(), str(uuid4())
    play.note(await play.door.patch(play.by("clinician", 1, key), id_, {"note": "once"}))
    play.note(await play.door.patch(play.by("clinician", 1, key), id_, {"note": "once"}))
    play.note(await play.door.patch(play.by("clinician", 2, key), id_, {"note": "another"}))
    play.note(await play.door.patch(play.by("colleague", 2, key), id_, {"note": "another person's"}))
    again = str(uuid4())
    play.note(await play.door.patch(play.by("clinician", 1, again), id_, {"note": "stale"}))
    play.note(await play.door.patch(play.by("clinician", 1, again), id_, {"note": "stale"}))


@scenario()
async def replayed_through_another_door(play: Play) -> None:
    id_, key, rest = await play.begun(), str(uuid4()), Rest(play.stage)
    play.note(await play.door.patch(play.by("clinician", 1, key), id_, {"note": "once"}))
    play.note(await rest.patch(play.by("clinician", 1, key), id_, {"note": "once"}))
    back = str(uuid4())
    play.note(await rest.patch(play.by("clinician", 2, back), id_, {"age": 50}))
    play.note(await play.door.patch(play.by("clinician", 2, back), id_, {"age": 50}))


@scenario("create")
async def created_twice_under_one_key(play: Play) -> None:
    key, form = str(uuid4()), play.stage.questionnaire
    first = play.note(await play.door.create(play.by("clinician", key=key), form, GIVEN))
    again = play.note(await play.door.create(play.by("clinician", key=key), form, GIVEN))
    assert first.id == again.id
    play.note(await play.door.create(play.by("clinician", key=key), form, {"name": "Bob"}))
    over = play.note(await Rest(play.stage).create(play.by("clinician", key=key), form, GIVEN))
    assert over.id == first.id


@scenario()
async def rate_limited(play: Play) -> None:
    id_ = await play.begun()
    await play.stage.use_up(play.stage.people["hasty"])
    refused = play.note(await play.door.patch(play.by("hasty", 1, str(uuid4())), id_, {"note": "one too many"}))
    assert refused.code == "rate-limited"
    play.note(await play.door.submit(play.by("hasty", 1), id_))
    play.note(await play.door.patch(play.by("clinician", 1), id_, {"note": "another person's"}))
