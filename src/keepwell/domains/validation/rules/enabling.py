"""Which items are disabled, in which instance: decided for all before anything else is checked.

Items are taken in an order in which each comes after what its conditions look at. So nothing recurses, however long a chain
of conditions is, and an answer that does not apply itself enables nothing.
"""

from keepwell.domains.validation.models import Condition, Form, Node
from keepwell.domains.validation.rules.evaluating import Env, Evaluator
from keepwell.domains.validation.rules.frames import Frame
from keepwell.domains.validation.rules.report import Report
from keepwell.kit.fhir.fhirpath import ExpressionError
from keepwell.kit.fhir.fhirpath.operators import truth


def switch_off(form: Form, top: Frame, evaluator: Evaluator, report: Report) -> None:
    """Notes in each instance which of its items are disabled, and of which that cannot be told.

    Raises:
        TooLargeError: the conditions look at more answers than one check may.
    """
    frames: dict[tuple[str, ...], list[Frame]] = {(): [top]}
    for one in form.conditional:
        for frame in _instances(frames, one.around):
            enabled = _is_enabled(one.node, frame, evaluator, report)
            if enabled is None:
                frame.unsure = _with(frame.unsure, one.node.link_id)
            elif not enabled:
                frame.off = _with(frame.off, one.node.link_id)


def _with(link_ids: frozenset[str] | set[str], link_id: str) -> set[str]:
    found = set(link_ids) if isinstance(link_ids, frozenset) else link_ids
    found.add(link_id)
    return found


def _instances(frames: dict[tuple[str, ...], list[Frame]], around: tuple[str, ...]) -> list[Frame]:
    """Every instance below these items that is not itself disabled."""
    found = frames.get(around)
    if found is None:
        found = [below for frame in _instances(frames, around[:-1]) for below in frame.enabled_below(around[-1])]
        frames[around] = found
    return found


def _is_enabled(node: Node, frame: Frame, evaluator: Evaluator, report: Report) -> bool | None:
    """Whether the conditions of an item hold; None when that cannot be told. An expression overrides them."""
    if node.enabled_by is None:
        holds = (_holds(condition, frame, report) for condition in node.conditions)
        return any(holds) if node.any_condition else all(holds)
    env = Env(evaluator.env(frame), (), evaluator.root, node.source)
    found = evaluator.value(node.enabled_by, env, evaluator.root, (frame, (), node.link_id))
    try:
        return None if found is None else truth(found) is True
    except ExpressionError:
        return bool(found)


def _holds(condition: Condition, frame: Frame, report: Report) -> bool:
    given = frame.ancestor(condition.level).answers(condition.path)
    report.look(len(given))
    if condition.holds is None:
        return bool(given) is condition.wanted
    return any(condition.holds(type_, value) for type_, value in given)
