"""What the check can say of the tree of items, said once. Sentences are for the person who answers."""

from keepwell.domains.validation.models import Finding, Issue, Node, Severity
from keepwell.kit.fhir.limits import MAX_RESPONSE_ITEMS

MISSING = Finding("required", "This question needs an answer.", "required")
TWICE = Finding("repeated", "This may be there only once.", "invalid")
TOO_MANY = Finding("too-many-answers", "This question takes one answer only.", "invalid")
DISABLED = Finding("disabled", "This question does not apply, because of another answer: it must be left empty.", "invalid")
TEXT_DIFFERS = Finding("text-differs", "The question was shown in other words than the form has.", "invalid")
EMPTY_GROUP = Finding("group-empty", "This part needs at least one answer.", "invariant")
NESTED = Finding("nested-items", "What belongs to an answer must stand below that answer.", "structure")
BELOW_DISPLAY = Finding("display-items", "Nothing can stand below this text.", "structure")
ABSTRACT = Finding("abstract-answer", "This question is not of a kind that can be answered.", "structure")
NOT_ANSWERABLE = {
    "group": Finding("group-answer", "A group of questions has no answer of its own.", "structure"),
    "display": Finding("display-answer", "This is a text to be read: it cannot be answered.", "structure"),
}
NO_LINK_ID = Finding("link-id-missing", "An answer does not say which question it belongs to.", "required")
UNKNOWN = Finding("unknown-item", "This form has no such question.", "not-found")
MISPLACED = Finding("misplaced-item", "This answer stands in another part of the form than its question.", "structure")
OUT_OF_ORDER = Finding("out-of-order", "The answers are not in the order of the questions.", "structure")
NO_OBJECT = Finding("structure", "This must be an object that is not empty.", "structure")
NO_LIST = Finding("structure", "This must be a list that is not empty.", "structure")
UNKNOWN_PROPERTY = Finding("structure", "This has a property that FHIR does not know.", "structure")
VALUES = Finding("structure", "An answer may have one value only.", "structure")
MALFORMED = Finding("malformed", "This answer is not written as its kind of value must be.", "invalid")
WRONG_TYPE = {
    "boolean": "This question is answered with yes or no.",
    "decimal": "This question is answered with a number.",
    "integer": "This question is answered with a whole number.",
    "date": "This question is answered with a date.",
    "dateTime": "This question is answered with a date and time.",
    "time": "This question is answered with a time of day.",
    "string": "This question is answered with a short text.",
    "text": "This question is answered with a text.",
    "url": "This question is answered with a web address.",
    "choice": "This question is answered with one of its choices.",
    "open-choice": "This question is answered with one of its choices or a text.",
    "attachment": "This question is answered with a file.",
    "reference": "This question is answered by pointing at a record.",
    "quantity": "This question is answered with an amount and its unit.",
}
TYPES = {kind: Finding("type", message) for kind, message in WRONG_TYPE.items()}
NOT_AN_OPTION = Finding("not-an-option", "This is not one of the answers to choose from.")
EXCLUSIVE = Finding("exclusive", "This answer stands alone: nothing else can be chosen with it.", deep=False)
NOT_IN_SET = Finding("not-in-value-set", "This is not one of the answers to choose from.", "code-invalid", deep=False)
MISNAMED = Finding("display-differs", "The wording of this answer does not belong to its code.", "code-invalid", deep=False)
NO_VALUE_SET = Finding(
    "value-set-unavailable",
    "Whether this is one of the answers to choose from could not be checked.",
    "code-invalid",
    Severity.WARNING,
    deep=False,
)
LIKE_AN_OPTION = Finding("like-an-option", "There is a choice for this: choose it instead.", severity=Severity.WARNING)
NO_OPTIONS = Finding(
    "no-options", "The form does not say which answers there are to choose from.", severity=Severity.INFORMATION, deep=False
)
UNIT_NOT_IN_SET = Finding("unit-not-allowed", "This needs one of the units offered.")
READ_ONLY = Finding("read-only", "This answer is given by the form and cannot be changed.", "business-rule")
HIDDEN = Finding(
    "hidden", "This question is not shown, but has another answer than the form gives it.", "business-rule", Severity.WARNING
)
CALCULATED = Finding("calculated", "This answer is not what the other answers add up to.", "business-rule")
OUTSIDE_PERIOD = Finding(
    "outside-period", "This was answered outside the time in which the form is used.", "business-rule", Severity.WARNING
)
TOO_LARGE_ISSUE = Issue(
    Severity.ERROR,
    "limit",
    "too-costly",
    "",
    "QuestionnaireResponse",
    f"This is too large to be checked: at most {MAX_RESPONSE_ITEMS} items, and not too many that depend on each other.",
)


def at_most(node: Node) -> Finding:
    """Too many answers, or rows."""
    return Finding("max-occurs", f"At most {node.most} are possible here.", "invalid")


def at_least(node: Node) -> Finding:
    """Too few."""
    return Finding("min-occurs", f"At least {node.least} are needed here.", "invalid")
