"""Who is enrolled and has not answered is found, for a program that closes soon; who has answered is left out."""

from datetime import timedelta
from typing import Any

from keepwell.domains.participants import ParticipantService
from keepwell.domains.programs import ProgramService
from keepwell.domains.questionnaires import QuestionnaireService
from keepwell.domains.reminders import ReminderService
from keepwell.domains.responses import ResponseService
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from tests.support.clinic import Clinic
from tests.support.enrolling import enroll, found, people, program
from tests.support.forms import item

ORIGIN = Origin("test", "reminders")


def reminders(clinic: Clinic) -> ReminderService:
    kernel = clinic.kernel
    responses = ResponseService(kernel, QuestionnaireService(kernel))
    return ReminderService(kernel, ProgramService(kernel), ParticipantService(kernel), responses, timedelta(days=7))


async def answers(clinic: Clinic, external_id: str) -> Any:
    [person] = await found(clinic, external_id)
    form = await clinic.publish(item("a"))
    begun = await clinic.begin(form, subject=f"Patient/{person['id']}", answers={"a": "yes"})
    assert (await clinic.post(f"/v1/responses/{begun['id']}/submit", 1)).status_code == 200
    return person["id"]


async def test_who_has_answered_is_not_reminded(clinic: Clinic):
    spring = await program(clinic, closes="2026-03-05")
    await enroll(clinic, spring, people(1, 2, 3))
    answered = await answers(clinic, "E-2")
    [one], [other] = await found(clinic, "E-1"), await found(clinic, "E-3")
    await clinic.begin(await clinic.publish(item("a")), subject=f"Patient/{one['id']}")
    [id_] = await ProgramService(clinic.kernel).closing(operator(clinic.tenant), ORIGIN, clinic.clock.now() + timedelta(days=7))
    service, actor = reminders(clinic), operator(clinic.tenant)
    part = await service.page(actor, id_, ORIGIN, None, 10)
    assert {str(each.participant) for each in part.items} == {one["id"], other["id"]}
    assert answered not in {str(each.participant) for each in part.items}
    assert (part.due, part.next) == (True, None)
    assert await service.count(actor, ORIGIN) == {id_: 2}


async def test_the_list_goes_on_behind_the_last_who_was_looked_at(clinic: Clinic):
    spring = await program(clinic, closes="2026-03-05")
    await enroll(clinic, spring, people(*range(1, 6)))
    [id_] = await ProgramService(clinic.kernel).closing(operator(clinic.tenant), ORIGIN, clinic.clock.now() + timedelta(days=7))
    service, actor = reminders(clinic), operator(clinic.tenant)
    first = await service.page(actor, id_, ORIGIN, None, 3)
    rest = await service.page(actor, id_, ORIGIN, first.items[-1].participant, 3)
    assert (len(first.items), len(rest.items), rest.next) == (3, 2, None)


async def test_a_program_that_closes_later_reminds_nobody(clinic: Clinic):
    await enroll(clinic, await program(clinic), people(1))
    assert await reminders(clinic).count(operator(clinic.tenant), ORIGIN) == {}
