"""What an answer is worth: whether all that is asserted of it holds, and what is taken for granted where nothing is said."""

from collections.abc import Sequence
from datetime import datetime

from keepwell.domains.monitors.models import Assertion, Monitor, Step, Verdict
from keepwell.domains.monitors.rules.assertions import Reading, Seen, holds
from keepwell.platform.probing import Observation

UP = Verdict(up=True)
_WORKS = Assertion("status", "within", "200-299")
_VALID = Assertion("certificate-days", "above", 0)
_FOUND = Assertion("record", "present")
_TAKEN_FOR_GRANTED = {"http": _WORKS, "flow": _WORKS, "tls": _VALID, "dns": _FOUND}


def judge(monitor: Monitor, observation: Observation, at: datetime) -> Verdict:
    """What an observation made at an instant is worth. Never fails, whatever the target answered."""
    return _judged(_wanted(monitor, monitor.assertions), observation, at)


def judge_step(monitor: Monitor, step: Step, observation: Observation, at: datetime) -> Verdict:
    """As `judge`, of one step of a flow."""
    return _judged(_wanted(monitor, step.assertions), observation, at)


def _wanted(monitor: Monitor, assertions: Sequence[Assertion]) -> tuple[Assertion, ...]:
    """What has to hold: what is asserted after what nobody said anything else about."""
    granted = _TAKEN_FOR_GRANTED.get(monitor.kind)
    if granted is None or any(each.on == granted.on for each in assertions):
        return tuple(assertions)
    return (granted, *assertions)


def _judged(assertions: Sequence[Assertion], observation: Observation, at: datetime) -> Verdict:
    if observation.error is not None:
        return Verdict(False, observation.error)  # noqa: FBT003 - it is down
    reading = Reading(
        Seen(
            observation.status,
            observation.headers,
            observation.body,
            observation.total_ms,
            observation.certificate_expires,
            observation.answers,
            at,
        )
    )
    failed = next((each for each in assertions if not holds(each, reading)), None)
    return UP if failed is None else Verdict(False, f"{failed.on}-failed", _told(failed, observation))  # noqa: FBT003


def _told(assertion: Assertion, observation: Observation) -> str:
    """What did not hold, in words. Of the answer only what tells nothing about a person: its status and how long it took."""
    wanted = f"{assertion.on} {assertion.compare}"
    if assertion.on == "status":
        return f"status {observation.status}, wanted {assertion.compare} {assertion.value}"
    if assertion.on == "latency":
        return f"{observation.total_ms:.0f} ms, wanted {assertion.compare} {assertion.value}"
    return f"{wanted} {assertion.value}" if assertion.on == "certificate-days" else f"{wanted} does not hold"
