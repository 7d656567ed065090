"""Checks a response against its compiled form: the tree of its items, every answer, what is missing, what must not be there.

Strict is for what is submitted. Lenient is for what is still being filled in: what is missing is a warning, the rest stays.
Whatever the response is, the check ends in bounded time and repeats no answer in what it says.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from keepwell.domains.validation.models import Finding, Form, Issue, Node, Severity, ValueSet, ValueSets
from keepwell.domains.validation.rules import findings as say
from keepwell.domains.validation.rules import standard
from keepwell.domains.validation.rules.answers import Answers, is_fine
from keepwell.domains.validation.rules.derived import check_derived
from keepwell.domains.validation.rules.enabling import switch_off
from keepwell.domains.validation.rules.evaluating import Env, Evaluator
from keepwell.domains.validation.rules.frames import Frame, given_by
from keepwell.domains.validation.rules.heading import check_heading
from keepwell.domains.validation.rules.report import EnoughIssuesError, Report, TooLargeError

_ITEM = frozenset(("linkId", "text", "answer", "item", "id", "definition", "extension", "modifierExtension"))
_BESIDE = frozenset(("_linkId", "_text", "_definition"))


def check(
    form: Form,
    response: Mapping[str, Any],
    *,
    strict: bool,
    value_sets: ValueSets | None = None,
    now: datetime | None = None,
    launch: Mapping[str, Any] | None = None,
) -> list[Issue]:
    """Everything found in a FHIR R4 QuestionnaireResponse, at most `MAX_ISSUES` errors, in the order of the form.

    `value_sets` finds those that are stored, before the standard ones are asked. `now` is for expressions that depend on the
    time, `launch` for the names a form expects from outside; expressions that need what is not given are passed over.
    The response is read only.
    """
    report = Report(strict=strict)
    top = Frame(response, form.top, None, ())
    try:
        check_heading(form, response, top, report)
        checker = _Checker(form, report, value_sets, Evaluator(form, response, report, now, launch or {}))
        if form.conditional:
            switch_off(form, top, checker.evaluator, report)
        checker.instance(top)
        if form.expressions is not None:
            checker.constraints(form.expressions.constraints, checker.evaluator.top, (top, (), None))
    except EnoughIssuesError:
        pass
    except TooLargeError:
        report.issues.append(say.TOO_LARGE_ISSUE)
    return report.issues


class _Checker:
    def __init__(self, form: Form, report: Report, value_sets: ValueSets | None, evaluator: Evaluator) -> None:
        self.form = form
        self.report = report
        self.stored = value_sets
        self.evaluator = evaluator
        self.found: dict[str, ValueSet | None] = {}
        self.answers = Answers(report, self.value_set)

    def value_set(self, canonical: str) -> ValueSet | None:
        """A value set: contained, else stored, else standard; None when it cannot be had."""
        if canonical not in self.found:
            if canonical.startswith("#"):
                known = self.form.contained.get(canonical[1:])
            else:
                known = self.stored(canonical) if self.stored is not None else None
                known = standard.value_set(canonical) if known is None else known
            self.found[canonical] = known
        return self.found[canonical]

    def instance(self, frame: Frame) -> None:
        """Checks the items of one instance, those that are there and those that are missing."""
        self.report.count(len(frame.items))
        if frame.odd:
            self._odd(frame)
        groups = frame.groups
        for node in frame.nodes.nodes:
            found = groups.get(node.link_id)
            if found is None:
                if node.required and node.link_id not in frame.off and node.link_id not in frame.unsure:
                    self.report.incomplete(say.MISSING, frame, (), node.link_id)
                continue
            if node.conditional and node.link_id in frame.off:
                self._disabled(node, frame, found)
                continue
            if len(found) > 1 and not node.repeats:
                self.report.add(say.TWICE, frame, ("item", found[1][0]), node.link_id)
            for index, item in found:
                if not node.swift or not is_fine(node, item):
                    self._item(node, frame, index, item)
            if node.least is not None or node.most is not None:
                self._occurrences(node, frame, found)

    def _odd(self, frame: Frame) -> None:
        for index in frame.odd:
            item = frame.items[index]
            link_id: Any = cast("dict[str, Any]", item).get("linkId") if isinstance(item, dict) else None
            if not isinstance(item, dict):
                finding = say.NO_OBJECT
            elif not isinstance(link_id, str) or not link_id:
                finding = say.NO_LINK_ID
            elif link_id in frame.nodes.places:
                finding = say.OUT_OF_ORDER
            else:
                finding = say.MISPLACED if link_id in self.form.link_ids else say.UNKNOWN
            # An unknown linkId is the sender's own text: it is not repeated.
            named = link_id if isinstance(link_id, str) and link_id in self.form.link_ids else None
            self.report.add(finding, frame, ("item", index), named)

    def _disabled(self, node: Node, frame: Frame, found: list[tuple[int, dict[str, Any]]]) -> None:
        for index, item in found:
            if "answer" in item or "item" in item:
                self.report.add(say.DISABLED, frame, ("item", index), node.link_id)

    def _item(self, node: Node, frame: Frame, index: int, item: dict[str, Any]) -> None:
        text, inner, answers = item.get("text"), item.get("item"), item.get("answer")
        if len(item) != 1 + (text is not None) + (inner is not None) + (answers is not None):
            self._strange(node, frame, index, item)
        if text is not None and text != node.text:
            self.report.add(say.TEXT_DIFFERS, frame, ("item", index), node.link_id)
        if node.question:
            if inner is not None:
                self.report.add(say.NESTED, frame, ("item", index), node.link_id)
            self._question(node, frame, index, item, answers)
        elif node.group:
            self._group(node, frame, index, item)
        else:
            self._unanswerable(node, frame, index, item)
        if node.expressions is not None:
            self._expressions(node, frame, index, item)

    def _unanswerable(self, node: Node, frame: Frame, index: int, item: Mapping[str, Any]) -> None:
        if "answer" in item:
            self.report.add(say.NOT_ANSWERABLE.get(node.type, say.ABSTRACT), frame, ("item", index), node.link_id)
        if "item" in item:
            self.report.add(say.BELOW_DISPLAY, frame, ("item", index), node.link_id)

    def _strange(self, node: Node, frame: Frame, index: int, item: Mapping[str, Any]) -> None:
        for name, value in item.items():
            if (name not in _ITEM and name not in _BESIDE) or value is None:
                self.report.add(say.UNKNOWN_PROPERTY, frame, ("item", index), node.link_id)

    def _group(self, node: Node, frame: Frame, index: int, item: dict[str, Any]) -> None:
        inner = item.get("item")
        if "answer" in item:
            self.report.add(say.NOT_ANSWERABLE["group"], frame, ("item", index), node.link_id)
        elif inner is not None and (not isinstance(inner, list) or not inner):
            self.report.add(say.NO_LIST, frame, ("item", index, "item"), node.link_id)
        elif inner is None and node.required:
            self.report.incomplete(say.EMPTY_GROUP, frame, ("item", index), node.link_id)
        for below in frame.inside(node, index, item):
            self.instance(below)

    def _question(self, node: Node, frame: Frame, index: int, item: dict[str, Any], answers: Any) -> None:
        if answers is None:
            if node.required:
                self.report.incomplete(say.MISSING, frame, ("item", index), node.link_id)
            return
        if answers.__class__ is not list or not answers:
            self.report.add(say.NO_LIST, frame, ("item", index, "answer"), node.link_id)
            return
        if len(answers) > 1 and not node.repeats:
            self.report.add(say.TOO_MANY, frame, ("item", index), node.link_id)
        valued, inner = self.answers.check(node, frame, index, answers)
        if node.required and not valued:
            self.report.incomplete(say.MISSING, frame, ("item", index), node.link_id)
        if inner or node.children.nodes:
            self._below(node, frame, index, item)

    def _below(self, node: Node, frame: Frame, index: int, item: dict[str, Any]) -> None:
        """The items below the answers of a question: what is required there is required below each."""
        for below in frame.inside(node, index, item):
            inner: Any = below.data.get("item", below)
            if inner is not below and (not isinstance(inner, list) or not inner):
                self.report.add(say.NO_LIST, below, ("item",), node.link_id)
            self.instance(below)

    def _occurrences(self, node: Node, frame: Frame, found: list[tuple[int, dict[str, Any]]]) -> None:
        """How often a group is there, or how many answers a question has: over all its items in one instance."""
        count = len(found) if node.group else sum(len(given_by(item)) for _, item in found)
        if node.most is not None and count > node.most:
            self.report.add(say.at_most(node), frame, ("item", found[-1][0] if node.group else found[0][0]), node.link_id)
        if node.least is not None and 0 < count < node.least:
            self.report.incomplete(say.at_least(node), frame, ("item", found[0][0]), node.link_id)

    def _expressions(self, node: Node, frame: Frame, index: int, item: dict[str, Any]) -> None:
        expressions = node.expressions
        if expressions is None:
            return
        env = self.evaluator.item_env(node, item, frame)
        at = (frame, ("item", index), node.link_id)
        self.constraints(expressions.constraints, env, at)
        if expressions.calculated is not None or (expressions.initial is not None and node.fixed):
            check_derived(node, item, self.evaluator, env, at, self.report)

    def constraints(self, constraints: Any, env: Env, at: Any) -> None:
        """An author's rule is broken when it says false; one that says nothing cannot be judged."""
        for constraint in constraints:
            found = self.evaluator.value(constraint.expression, env, env.focus, at)
            if found is not None and found == [False]:
                finding = Finding("constraint", constraint.message, "invariant", constraint.severity)
                self.report.incomplete(finding, *at)
                if constraint.severity is Severity.ERROR:
                    return
