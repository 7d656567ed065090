"""The extensions of FHIR R4 and SDC that tell how an item may be answered, and how they are read."""

from collections.abc import Mapping
from typing import Any, cast

from keepwell.domains.validation.rules.values import typed

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

MIN_LENGTH = _CORE + "minLength"
REGEX = _CORE + "regex"
ENTRY_FORMAT = _CORE + "entryFormat"
MAX_DECIMALS = _CORE + "maxDecimalPlaces"
MIN_VALUE = _CORE + "minValue"
MAX_VALUE = _CORE + "maxValue"
MIN_QUANTITY = _SDC + "minQuantity"
MAX_QUANTITY = _SDC + "maxQuantity"
MAX_SIZE = _CORE + "maxSize"
MIME_TYPE = _CORE + "mimeType"
UNIT = _CORE + "questionnaire-unit"
UNIT_OPTION = _CORE + "questionnaire-unitOption"
UNIT_VALUE_SET = _CORE + "questionnaire-unitValueSet"
UNIT_OPEN = _SDC + "unitOpen"
MIN_OCCURS = _CORE + "questionnaire-minOccurs"
MAX_OCCURS = _CORE + "questionnaire-maxOccurs"
OPTION_EXCLUSIVE = _CORE + "questionnaire-optionExclusive"
HIDDEN = _CORE + "questionnaire-hidden"
REFERENCE_RESOURCE = _CORE + "questionnaire-referenceResource"
CONSTRAINT = _CORE + "questionnaire-constraint"
TARGET_CONSTRAINT = _CORE + "targetConstraint"
VARIABLE = _CORE + "variable"
ENABLE_WHEN = _SDC + "enableWhenExpression"
CALCULATED = _SDC + "calculatedExpression"
INITIAL = _SDC + "initialExpression"
LAUNCH_CONTEXT = _SDC + "launchContext"


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing when it is no list."""
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[Any]", value) if isinstance(one, dict)]


class Extensions:
    """The extensions of one element by URL, in the order they were written, each with its place in the list."""

    def __init__(self, element: Mapping[str, Any]) -> None:
        self._by_url: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        written: Any = element.get("extension")
        for place, one in enumerate(cast("list[Any]", written) if isinstance(written, list) else []):
            if isinstance(one, dict):
                extension = cast("dict[str, Any]", one)
                self._by_url.setdefault(str(extension.get("url")), []).append((place, extension))

    def all(self, url: str) -> list[tuple[int, dict[str, Any]]]:
        """Every extension with this URL and its place."""
        return self._by_url.get(url, [])

    def values(self, url: str) -> list[tuple[str, Any]]:
        """The type and value of each."""
        return [typed(extension, "value") for _, extension in self.all(url)]

    def first(self, url: str) -> tuple[str, Any]:
        """The type and value of the first; `("", None)` when there is none."""
        found = self.values(url)
        return found[0] if found else ("", None)

    def whole(self, url: str) -> int | None:
        """The first as a whole number, when it is one."""
        value = self.first(url)[1]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, url: str) -> str | None:
        """The first as a text, when it is one."""
        value = self.first(url)[1]
        return value if isinstance(value, str) else None

    def texts(self, url: str) -> list[str]:
        """Those whose value is a text."""
        return [value for _, value in self.values(url) if isinstance(value, str)]

    def flag(self, url: str) -> bool:
        """Whether the first is true."""
        return self.first(url)[1] is True
