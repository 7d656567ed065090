"""Looking at a target once, from what is asked to what it is worth."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from keepwell.domains.monitors.models import Monitor, Verdict
from keepwell.domains.monitors.rules.judging import UP, judge, judge_step
from keepwell.domains.monitors.rules.probes import carried, probe_of, step_probe
from keepwell.platform.probing import Observation, Probe

Ask = Callable[[Probe], Awaitable[Observation]]
"""Asks a target, as the prober does; what the target does never makes it fail."""
_TIMES = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms")


class Examined(NamedTuple):
    """What was seen last, its times those of all steps together, and what it is worth."""

    verdict: Verdict
    observation: Observation


async def examine(monitor: Monitor, ask: Ask, now: Callable[[], datetime]) -> Examined:
    """Looks at a monitor's target once. The steps of a flow go on until one fails.

    Raises:
        ValueError: the monitor is a heartbeat, which nobody asks.
    """
    if monitor.kind != "flow":
        observation = await ask(probe_of(monitor))
        return Examined(judge(monitor, observation, now()), observation)
    values: dict[str, str] = {}
    seen: list[Observation] = []
    verdict = UP
    for number, step in enumerate(monitor.steps, start=1):
        observation = await ask(step_probe(monitor, step, values))
        seen.append(observation)
        verdict = judge_step(monitor, step, observation, now())
        more: Mapping[str, str] | None = carried(step, observation) if verdict.up else {}
        if more is None:
            verdict = Verdict(False, "value-missing", "nothing to carry on")  # noqa: FBT003 - it is down
        if not verdict.up:
            verdict = msgspec.structs.replace(verdict, detail=f"step {number}: {verdict.detail}".rstrip(": "))
            break
        values |= more or {}
    return Examined(verdict, _together(seen))


def _together(seen: list[Observation]) -> Observation:
    times = {name: [value for each in seen if (value := getattr(each, name)) is not None] for name in _TIMES}
    return msgspec.structs.replace(seen[-1], **{name: sum(values) if values else None for name, values in times.items()})
