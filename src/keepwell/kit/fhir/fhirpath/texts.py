"""Functions of FHIRPath on texts. None builds a text longer than allowed, none runs a pattern that could hang."""

from collections.abc import Callable
from typing import Any

from keepwell.kit.fhir.fhirpath.errors import ExhaustedError, ExpressionError
from keepwell.kit.fhir.fhirpath.values import bounded
from keepwell.kit.fhir.limits import MAX_TEXT
from keepwell.kit.fhir.patterns import PatternError, replaced, searcher


def joined(parts: list[str], separator: str) -> str:
    """The texts in one, with the separator between.

    Raises:
        ExhaustedError: that is too long.
    """
    if sum(len(part) for part in parts) + len(separator) * len(parts) > MAX_TEXT:
        raise ExhaustedError(f"An expression may build texts of at most {MAX_TEXT} characters.")
    return separator.join(parts)


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(length, 0)]


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else [text]


def _replace(text: str, pattern: str, substitution: str) -> str:
    pieces = text.count(pattern) if pattern else len(text) + 1
    if len(text) + pieces * len(substitution) > MAX_TEXT:
        raise ExhaustedError(f"An expression may build texts of at most {MAX_TEXT} characters.")
    return text.replace(pattern, substitution)


def _matches(text: str, pattern: str) -> bool:
    try:
        return searcher(pattern)(text)
    except PatternError as error:
        raise ExpressionError(str(error)) from None


def _replace_matches(text: str, pattern: str, substitution: str) -> str:
    if (len(text) + 1) * max(len(substitution), 1) > MAX_TEXT * 10:
        raise ExhaustedError(f"An expression may build texts of at most {MAX_TEXT} characters.")
    try:
        return bounded(replaced(pattern, substitution, text))
    except PatternError as error:
        raise ExpressionError(str(error)) from None


TEXTS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "indexOf": (str.find, (1,)),
    "substring": (_substring, (1, 2)),
    "startsWith": (str.startswith, (1,)),
    "endsWith": (str.endswith, (1,)),
    "contains": (str.__contains__, (1,)),
    "upper": (str.upper, (0,)),
    "lower": (str.lower, (0,)),
    "trim": (str.strip, (0,)),
    "length": (len, (0,)),
    "toChars": (list, (0,)),
    "split": (_split, (1,)),
    "replace": (_replace, (2,)),
    "matches": (_matches, (1,)),
    "replaceMatches": (_replace_matches, (2,)),
}
