"""Reading files that other programs wrote: bounded, and nothing that is there is passed over without a word."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
import yaml

from keepwell.domains.monitors.models import Configuration

_yaml: Any = cast("Any", yaml)  # has no types
_DEEPEST = 60
_MOST_PAIRS = 10_000
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|[smhdwy])")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}


class Found(NamedTuple):
    """One thing that a file watches. `configuration` None: nothing here could watch it. `left_out` was not carried over."""

    key: str
    name: str
    configuration: Configuration | None
    left_out: tuple[str, ...]
    paused: bool = False


class Reading(NamedTuple):
    """What a file says: what it watches, and what of the rest was not carried over."""

    found: tuple[Found, ...]
    left_out: tuple[str, ...]


class UnreadableFileError(ValueError):
    """The file is none that the program writes; the argument says what is wrong."""


class Fields:
    """A mapping of a file. What nobody takes is left, and told."""

    def __init__(self, value: Any) -> None:
        self._values: dict[str, Any] = {}
        if isinstance(value, dict):
            self._values = {str(name): each for name, each in cast("dict[Any, Any]", value).items()}
        self._taken: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether something is said."""
        return name in self._values and self._values[name] not in _NOTHING

    def take(self, name: str) -> Any:
        """Whatever stands there, or None."""
        self._taken.add(name)
        return self._values.get(name)

    def text(self, name: str, usual: str = "") -> str:
        """A text, or what can be written as one."""
        value = self.take(name)
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else usual

    def number(self, name: str, usual: float) -> float:
        """A number, also where it is written as a text."""
        value = self.take(name)
        try:
            return usual if value is None or isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            return usual

    def flag(self, name: str, *, usual: bool = False) -> bool:
        """Whether it is so, however that is written."""
        value = self.take(name)
        return usual if value is None else value in (True, 1, "1", "true", "True")

    def seconds(self, name: str, usual: float) -> float:
        """A length of time, such as `1m30s`, or a number of seconds."""
        value = self.take(name)
        return usual if value is None else duration(value, usual)

    def items(self, name: str) -> list[Any]:
        """A list; of one thing, a list of it."""
        value = self.take(name)
        if isinstance(value, list):
            return cast("list[Any]", value)
        return [] if value in _NOTHING else [value]

    def fields(self, name: str) -> "Fields":
        """A mapping within."""
        return Fields(self.take(name))

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts to texts."""
        value = self.take(name)
        if not isinstance(value, dict):
            return {}
        return {str(key): str(each) for key, each in cast("dict[Any, Any]", value).items() if each is not None}

    def ignore(self, *names: str) -> None:
        """Passes over what changes nothing about what is watched."""
        self._taken.update(names)

    def left(self, prefix: str = "") -> list[str]:
        """The names of what is there and was not taken."""
        return [
            f"{prefix}{name}"[:100] for name, value in self._values.items() if name not in self._taken and value not in _NOTHING
        ]


_NOTHING: tuple[Any, ...] = (None, "", [], {}, False)


def duration(value: Any, usual: float) -> float:
    """The seconds of a length of time as Go and Prometheus write it; `usual` for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    parts = _PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return usual
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def from_json(text: str) -> Any:
    """What a JSON file says.

    Raises:
        UnreadableFileError: it is none.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableFileError("The file is not JSON.") from error


def from_yaml(text: str) -> Any:
    """What a YAML file says: plain values only, with anchors and merges, neither deep nor growing.

    Raises:
        UnreadableFileError: it is none.
    """
    try:
        _check_depth(text)
        return _yaml.load(text, Loader=_Bounded)
    except (_yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError("The file is not YAML.") from error


def _check_depth(text: str) -> None:
    """Looks at the file event by event first: what makes values of it goes as deep as the file, and ends the process."""
    depth = 0
    for event in _yaml.parse(text, Loader=_yaml.CSafeLoader):
        if isinstance(event, _yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, _yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise UnreadableFileError("The file is too deep.")


class _Bounded(_yaml.CSafeLoader):
    """Merges that merge merges double with each: they stop somewhere."""

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)  # pyright: ignore[reportUnknownMemberType] - has no types
        if len(node.value) > _MOST_PAIRS:
            raise UnreadableFileError("The file grows too large by merging.")


def whole(value: float, least: int) -> int:
    """A number of seconds as a whole one, and no less than is allowed."""
    return max(least, round(value)) if value < 10**9 else 10**9


def named(headers: Mapping[str, str], name: str) -> bool:
    """Whether there is a header of this name, however it is written."""
    return any(each.lower() == name.lower() for each in headers)
