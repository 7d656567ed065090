"""Checks the answers of one question: their type, form, options, value set, and the rules of their item."""

from collections.abc import Mapping
from typing import Any, cast

from keepwell.domains.validation.models import Finding, Membership, Node, Options, ValueSets
from keepwell.domains.validation.rules import findings as say
from keepwell.domains.validation.rules.frames import Frame, Given
from keepwell.domains.validation.rules.options import key_of
from keepwell.domains.validation.rules.report import Report
from keepwell.domains.validation.rules.values import KEYS, malformed
from keepwell.domains.validation.rules.valuesets import contains_code, membership

_BESIDE = frozenset(("id", "extension", "modifierExtension", "item"))
_CHOICES = ("choice", "open-choice")


def is_fine(node: Node, item: Mapping[str, Any]) -> bool:
    """Whether an item is beyond doubt, which nearly all are; of the others the long way tells what is wrong.

    For items whose node is `swift`: linkId, the text as the form has it or none, one answer with one well-formed value.
    """
    text: Any = item.get("text")
    answers: Any = item.get("answer")
    if answers.__class__ is not list or len(answers) != 1 or len(item) != (2 if text is None else 3):
        return False
    answer: Any = answers[0]
    if answer.__class__ is not dict or len(answer) != 1 or (text is not None and text != node.text):
        return False
    key: str
    value: Any
    [(key, value)] = answer.items()
    known = node.keys.get(key)
    if known is None or not known[1](value):
        return False
    if node.options is not None and key_of(known[0], value) not in node.options.values.get(known[0], ()):
        return False
    return all(rule(value) is None for rule in node.rules) if node.rules else True


class Answers:
    """Checks answers and reports what is wrong with them."""

    __slots__ = ("_report", "_value_set")

    def __init__(self, report: Report, value_set: ValueSets) -> None:
        self._report = report
        self._value_set = value_set

    def check(self, node: Node, frame: Frame, index: int, answers: list[Any]) -> tuple[bool, bool]:
        """Whether any answer has a value, of whatever kind; and whether any has items below it."""
        valued = inner = False
        for place, answer in enumerate(answers):
            # What JSON decoders make is a dict itself; asking so is the fastest way, and this loop runs for every answer.
            if answer.__class__ is not dict or not answer:
                self._report.add(say.NO_OBJECT, frame, ("item", index, "answer", place), node.link_id)
                continue
            count = self._properties(node, frame, index, place, answer)
            if count > 1:
                self._report.add(say.VALUES, frame, ("item", index, "answer", place), node.link_id)
            valued = valued or count > 0
            inner = inner or "item" in answer
        if len(answers) > 1 and node.options is not None and node.options.exclusive:
            self._exclusive(node, frame, index, answers)
        if node.initial and (node.fixed or node.hidden):
            self._fixed(node, frame, index, answers)
        return valued, inner

    def _properties(self, node: Node, frame: Frame, index: int, place: int, answer: Mapping[str, Any]) -> int:
        """How many values an answer has; each is judged."""
        count = 0
        keys = node.keys
        for key, value in answer.items():
            known = keys.get(key)
            if known is not None:
                count += 1
                if not known[1](value):
                    self._malformed(node, frame, (index, place, key), value)
                elif not node.plain:
                    self._judge(node, frame, (index, place, key), known[0], value)
            elif key not in _BESIDE:
                count += self._unexpected(node, frame, (index, place, key), answer)
        return count

    def _add(self, finding: Finding, node: Node, frame: Frame, at: tuple[int, int, str]) -> None:
        index, place, key = at
        steps = ("item", index, "answer", place, key) if finding.deep else ("item", index, "answer", place)
        self._report.add(finding, frame, steps, node.link_id)

    def _unexpected(self, node: Node, frame: Frame, at: tuple[int, int, str], answer: Mapping[str, Any]) -> int:
        """A property that is no value of this question: of another type, unknown, or beside a primitive. 1 if it is a value."""
        index, place, key = at
        if key in KEYS:
            self._add(say.TYPES[node.type], node, frame, at)
            return 1
        beside = key[1:] if key.startswith("_") else ""
        if beside not in KEYS:
            self._report.add(say.UNKNOWN_PROPERTY, frame, ("item", index, "answer", place), node.link_id)
            # A value of a type that no answer has is still an attempt at one.
            return 1 if key.startswith("value") else 0
        if not isinstance(answer[key], dict) or KEYS[beside][0].isupper():
            self._report.add(say.UNKNOWN_PROPERTY, frame, ("item", index, "answer", place), node.link_id)
        return 0

    def _malformed(self, node: Node, frame: Frame, at: tuple[int, int, str], value: Any) -> None:
        index, place, key = at
        wrong = malformed(KEYS[key], value)
        steps = ("item", index, "answer", place, key, wrong) if wrong else ("item", index, "answer", place, key)
        self._report.add(say.MALFORMED, frame, steps, node.link_id)

    def _judge(self, node: Node, frame: Frame, at: tuple[int, int, str], type_: str, value: Any) -> None:
        """Judges a well-formed value by the options or value set of its question and by its rules."""
        if node.options is not None:
            if key_of(type_, value) not in node.options.values.get(type_, ()):
                self._option(node, node.options, frame, at, (type_, value))
        elif node.value_set is not None:
            self._member(node, frame, at, type_, value)
        elif node.type == "choice":
            self._add(say.NO_OPTIONS, node, frame, at)
        for rule in node.rules:
            finding = rule(value)
            if finding is not None:
                self._add(finding, node, frame, at)
        if node.unit_value_set is not None:
            self._unit(node, frame, at, value)

    def _option(self, node: Node, options: Options, frame: Frame, at: tuple[int, int, str], given: Given) -> None:
        """Reports an answer that is not listed, unless its question takes such a one all the same."""
        type_, value = given
        if node.type == "open-choice" and type_ == "string":
            if value.lower() in options.names:
                self._add(say.LIKE_AN_OPTION, node, frame, at)
            return
        if node.type in ("decimal", "dateTime") and _has_like(node.type, value, options.values):
            return
        index, place, name = at
        steps = ("item", index, "answer", place)
        self._report.add(say.NOT_AN_OPTION, frame, steps if node.type in _CHOICES else (*steps, name), node.link_id)

    def _member(self, node: Node, frame: Frame, at: tuple[int, int, str], type_: str, value: Any) -> None:
        if type_ not in ("Coding", "string") or node.value_set is None or (node.type == "open-choice" and type_ == "string"):
            return
        known = self._value_set(node.value_set)
        if known is None:
            self._add(say.NO_VALUE_SET, node, frame, at)
            return
        if type_ == "string":
            found = contains_code(known, value)
            strange = say.NOT_AN_OPTION
        else:
            coding = cast("Mapping[str, Any]", value)
            if "code" not in coding and node.type == "open-choice":
                return
            found = membership(known, coding.get("system"), str(coding.get("code", "")), coding.get("display"))
            strange = say.NOT_IN_SET
        if found is Membership.STRANGER:
            self._add(strange, node, frame, at)
        elif found is Membership.MISNAMED:
            self._add(say.MISNAMED, node, frame, at)
        elif found is Membership.UNKNOWN:
            self._add(say.NO_VALUE_SET, node, frame, at)

    def _unit(self, node: Node, frame: Frame, at: tuple[int, int, str], value: Mapping[str, Any]) -> None:
        known = None if node.unit_value_set is None else self._value_set(node.unit_value_set)
        found = None if known is None else membership(known, value.get("system"), str(value.get("code", "")), None)
        if found is Membership.STRANGER:
            self._add(say.UNIT_NOT_IN_SET, node, frame, at)
        elif found in (None, Membership.UNKNOWN):
            self._add(say.NO_VALUE_SET, node, frame, at)

    def _exclusive(self, node: Node, frame: Frame, index: int, answers: list[Any]) -> None:
        exclusive = frozenset[Any]() if node.options is None else node.options.exclusive
        for place, answer in enumerate(answers):
            for key, (type_, check) in node.keys.items():
                value = cast("dict[str, Any]", answer).get(key) if isinstance(answer, dict) else None
                if value is not None and check(value) and (type_, key_of(type_, value)) in exclusive:
                    self._report.add(say.EXCLUSIVE, frame, ("item", index, "answer", place), node.link_id)

    def _fixed(self, node: Node, frame: Frame, index: int, answers: list[Any]) -> None:
        """An answer nobody can give is the one the form gives."""
        wanted = [(type_, key_of(type_, value)) for type_, value in node.initial if malformed(type_, value) is None]
        given = [
            (known[0], key_of(known[0], value))
            for answer in answers
            if isinstance(answer, dict)
            for key, value in cast("dict[str, Any]", answer).items()
            if (known := node.keys.get(key)) is not None and known[1](value)
        ]
        if len(given) == len(answers) and sorted(map(repr, given)) != sorted(map(repr, wanted)):
            self._report.add(say.READ_ONLY if node.fixed else say.HIDDEN, frame, ("item", index), node.link_id)


def _has_like(type_: str, value: Any, options: Mapping[str, frozenset[Any]]) -> bool:
    """Whether an option of a related type says the same: R4 has no decimal or dateTime among its options."""
    return value in options.get("integer" if type_ == "decimal" else "date", ())
