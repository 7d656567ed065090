"""Every task of the program does its work in a clinic, also when there is nothing to do."""

from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id
from keepwell.main.parts import Parts


async def test_every_task_runs_in_a_clinic_that_has_nothing(parts: Parts):
    async with parts.running():
        tenant = (await parts.rooms.tenants.create("empty", "A clinic", Origin("test", "tasks"))).id
        tasks = parts.rooms.schedules.tasks
        assert set(tasks) == {"flags.report-stale", "programs.tell", "reminders.count", "retention.purge"}
        for task in tasks.values():
            await task.run(tenant, Origin("test", str(new_id())))
        assert await parts.rooms.programs.closing(operator(tenant), Origin("test", "tasks"), parts.clock.now()) == []
