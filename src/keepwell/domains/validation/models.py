"""The nouns of validation: a compiled form and what it asks of answers, value sets, and what a check finds."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from keepwell.kernel.problems import Fault
from keepwell.kit.fhir.fhirpath import Program

FormFault = Fault
"""A fault of a form has the shape of every fault: pointer into the form, stable code, sentence, linkId."""


class Severity(StrEnum):
    """How bad an issue is, in FHIR's words. Only an error makes a response invalid."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


class Issue(msgspec.Struct, frozen=True):
    """One thing found in a response.

    `code` is ours and stable; `kind` is the FHIR issue type for an OperationOutcome. `pointer` is a JSON pointer (RFC 6901)
    and `expression` a FHIRPath, both into the response. `message` is for the person who answers and never repeats an answer.
    """

    severity: Severity
    code: str
    kind: str
    pointer: str
    expression: str
    message: str
    link_id: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """What a rule says of an answer, made once when the form is compiled. `deep`: the place is the value, not the answer."""

    code: str
    message: str
    kind: str = "invariant"
    severity: Severity = Severity.ERROR
    deep: bool = True


Rule = Callable[[Any], Finding | None]
"""Judges the value of one answer."""


class Membership(StrEnum):
    """Whether a code is in a value set, as far as can be told."""

    MEMBER = "member"
    STRANGER = "stranger"
    MISNAMED = "misnamed"
    UNKNOWN = "unknown"


class ValueSet(msgspec.Struct, frozen=True):
    """The codes of a value set by system, each with the names it may be shown by.

    `open` are systems of which some codes belong that cannot be enumerated here; `*` means any system at all.
    `excluded` are codes that do not belong whatever else says so.
    """

    url: str | None
    codes: Mapping[str, Mapping[str, tuple[str, ...]]]
    open: frozenset[str] = frozenset()
    excluded: frozenset[tuple[str, str]] = frozenset()


ValueSets = Callable[[str], ValueSet | None]
"""Finds a value set by its canonical; None when it cannot be had."""


class Options(msgspec.Struct, frozen=True):
    """The permitted answers of an item: by FHIR type the values, for a Coding its system, code and, without a code, its name.

    `names` are the codes and names of listed Codings in lower case; `exclusive` are those that stand alone.
    """

    values: Mapping[str, frozenset[Any]]
    exclusive: frozenset[tuple[str, Any]]
    names: frozenset[str]


class Condition(msgspec.Struct, frozen=True):
    """One `enableWhen`.

    `level` is the depth of the instance that both items share; `path` are the linkIds from there down to the question.
    `holds` judges the type and value of one answer; None for `exists`, which compares `wanted` with there being any.
    """

    level: int
    path: tuple[str, ...]
    wanted: bool
    holds: Callable[[str, Any], bool] | None


class Expression(msgspec.Struct, frozen=True):
    """A FHIRPath of the form. `program` is None when it cannot be run: `reason` says why. `place` is the pointer to it.

    `foreign`: it is in another language, which is no slip of its author's.
    """

    program: Program | None
    reason: str
    place: str
    foreign: bool = False


class Variable(msgspec.Struct, frozen=True):
    """A named expression, seen by the item it stands on, what is below, and the variables after it."""

    name: str
    expression: Expression


class Constraint(msgspec.Struct, frozen=True):
    """An invariant of the author's. A warning never makes a response invalid."""

    key: str
    expression: Expression
    severity: Severity
    message: str


class Expressions(msgspec.Struct, frozen=True):
    """The expressions of an item, or of the form itself."""

    variables: tuple[Variable, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    calculated: Expression | None = None
    initial: Expression | None = None


class Node(msgspec.Struct, frozen=True):
    """One item of a compiled form.

    `keys` are the properties an answer's value may stand in, each with its type and the check of its form; `rules` judge
    values that pass it. `plain`: there is nothing else to ask of an answer. `conditional`: it may be disabled. `swift`: one
    answer that passes all that, and is one of the options where there are some, is all the item can have.
    `level` counts the items around it; `least` and `most` are `minOccurs` and `maxOccurs`.
    """

    link_id: str
    type: str
    text: str | None
    level: int
    source: Mapping[str, Any]
    keys: Mapping[str, tuple[str, Callable[[Any], bool]]]
    rules: tuple[Rule, ...]
    children: "Level"
    required: bool = False
    repeats: bool = False
    fixed: bool = False
    hidden: bool = False
    least: int | None = None
    most: int | None = None
    options: Options | None = None
    value_set: str | None = None
    unit_value_set: str | None = None
    initial: tuple[tuple[str, Any], ...] = ()
    conditions: tuple[Condition, ...] = ()
    any_condition: bool = False
    enabled_by: Expression | None = None
    expressions: Expressions | None = None
    group: bool = False
    question: bool = False
    conditional: bool = False
    plain: bool = False
    swift: bool = False


class Level(msgspec.Struct, frozen=True):
    """Items that stand side by side, in order, and the place of each by its linkId."""

    nodes: tuple[Node, ...]
    places: Mapping[str, int]


class Conditional(msgspec.Struct, frozen=True):
    """An item that may be disabled, and the linkIds of the items around it, outermost first."""

    node: Node
    around: tuple[str, ...]


class Period(msgspec.Struct, frozen=True):
    """When a form may be filled in, as FHIR dateTimes."""

    start: str | None = None
    end: str | None = None


class Form(msgspec.Struct, frozen=True):
    """A form compiled for checking responses. Immutable and safe to share.

    `conditional` are the items that may be disabled, each after all that its conditions look at and what it stands in.
    `warnings` are what its author should know: doubts, and rules that cannot be checked here.
    """

    resource: Mapping[str, Any]
    top: Level
    conditional: tuple[Conditional, ...]
    link_ids: frozenset[str]
    contained: Mapping[str, ValueSet]
    period: Period | None
    expressions: Expressions | None
    launch: frozenset[str]
    warnings: tuple[FormFault, ...] = ()


class FormRefused(Exception):  # noqa: N818 - it is not an error of ours, it is an answer
    """A form that cannot be used as it is, and why."""

    def __init__(self, faults: tuple[FormFault, ...]) -> None:
        super().__init__(", ".join(sorted({fault.code for fault in faults})))
        self.faults = faults
