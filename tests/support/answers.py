"""Valid responses to any form, drawn by Hypothesis: every required question answered, nothing answered that is disabled.

It decides by itself which items are enabled, from the conditions as the form writes them, so that it can judge the validator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, cast

from hypothesis import assume
from hypothesis import strategies as st

from keepwell.domains.validation import standard_value_set

Json = dict[str, Any]
WORDS = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x2FF), min_size=1, max_size=12)
_CODING = {"system": "http://example.org/codes", "code": "any", "display": "Any"}


def extensions(element: Mapping[str, Any], name: str) -> list[Any]:
    """The values of all extensions of an element by the last part of their URL."""
    found = [one for one in element.get("extension", []) if one["url"].rpartition("/")[2].rpartition("questionnaire-")[2] == name]
    return [value for one in found for key, value in one.items() if key.startswith("value")]


def extension(element: Mapping[str, Any], name: str) -> Any:
    """The value of the first such extension; None when there is none."""
    found = extensions(element, name)
    return found[0] if found else None


def walk(items: Sequence[Json]) -> Iterator[Json]:
    """Every item of a form, in document order."""
    for item in items:
        yield item
        yield from walk(item.get("item", []))


def needed_elsewhere(form: Json) -> set[str]:
    """The linkIds that conditions or expressions look at, and those of the items around them."""
    wanted = {condition["question"] for item in walk(form["item"]) for condition in item.get("enableWhen", [])}
    written = repr([item.get("extension") for item in walk(form["item"])]) + repr(form.get("extension"))
    wanted |= {item["linkId"] for item in walk(form["item"]) if f"'{item['linkId']}'" in written.replace("\\'", "'")}
    return {item["linkId"] for item in walk(form["item"]) if wanted & {below["linkId"] for below in walk([item])}}


class Form(dict[str, Any]):
    """A form that shows no more than its name when a test fails."""

    def __repr__(self) -> str:
        return f"<form {self.get('title') or self.get('name') or self.get('id')}>"


@dataclass(repr=False)
class Planned:
    """One item of a response in the making. `inside` are the items below: of a group, or of each answer of a question."""

    item: Json
    around: "Planned | None"
    answers: list[Json] = field(default_factory=list[Json])
    inside: "list[list[Planned]]" = field(default_factory=list["list[Planned]"])
    on: bool = True

    @property
    def link_id(self) -> str:
        return self.item["linkId"]

    def below(self) -> "Iterator[Planned]":
        for level in self.inside:
            for one in level:
                yield one
                yield from one.below()

    def json(self, *, with_text: bool) -> Json | None:
        """The item as FHIR has it; None when it is disabled, or a group with nothing in it."""
        if not self.on:
            return None
        found: Json = {"linkId": self.link_id}
        if with_text and "text" in self.item:
            found["text"] = self.item["text"]
        levels = [as_json(level, with_text=with_text) for level in self.inside]
        if self.item["type"] == "group":
            return {**found, "item": levels[0]} if levels[0] else None
        if self.item["type"] == "display":
            return found
        found["answer"] = [
            {**answer, **({"item": level} if level else {})} for answer, level in zip(self.answers, levels, strict=True)
        ]
        return found


def as_json(plans: Sequence[Planned], *, with_text: bool) -> list[Json]:
    """The items that are there, in order."""
    return [found for plan in plans if (found := plan.json(with_text=with_text)) is not None]


@dataclass(repr=False)
class Filled:
    """A valid response to a form, how it was planned, and whether it shows the questions' texts."""

    form: Json
    plans: list[Planned]
    with_text: bool

    def response(self) -> Json:
        """A new copy of the response."""
        found: Json = {"resourceType": "QuestionnaireResponse", "status": "completed"}
        items = deepcopy(as_json(self.plans, with_text=self.with_text))
        return {**found, "item": items} if items else found


@st.composite
def filled(draw: st.DrawFn, form: Json) -> Filled:
    """Valid responses to a form: complete ones, bare ones, and any between."""
    share = draw(st.sampled_from([1.0, 0.5, 0.0]))
    plans = _planned(draw, form["item"], None, share, form)
    _settle(plans, form)
    _check_groups(plans)
    return Filled(form, plans, draw(st.booleans()))


def _planned(draw: st.DrawFn, items: Sequence[Json], around: Planned | None, share: float, form: Json) -> list[Planned]:
    return [plan for item in items for plan in _plans(draw, item, around, share, form)]


def _plans(draw: st.DrawFn, item: Json, around: Planned | None, share: float, form: Json) -> Iterator[Planned]:
    wanted = item.get("required") is True or (share == 1.0) or (share > 0 and draw(st.booleans()))
    if not wanted or _is_computed(item):
        return
    least, most = extension(item, "minOccurs") or 1, extension(item, "maxOccurs") or 3
    count = draw(st.integers(least, max(least, most))) if item.get("repeats") else 1
    if item["type"] == "group":
        for _ in range(count):
            plan = Planned(item, around)
            plan.inside = [_planned(draw, item.get("item", []), plan, share, form)]
            yield plan
    elif item["type"] == "display":
        yield Planned(item, around)
    else:
        plan = Planned(item, around)
        plan.answers = [value(draw, item, form) for _ in range(count)]
        plan.inside = [_planned(draw, item.get("item", []), plan, share, form) for _ in range(count)]
        yield plan


def _is_computed(item: Json) -> bool:
    """Items whose answers are not for anybody to give, or depend on more than conditions."""
    return any(extension(item, name) is not None for name in ("calculatedExpression", "enableWhenExpression")) or (
        item.get("readOnly") is True and "initial" not in item
    )


def _settle(plans: list[Planned], form: Json) -> None:
    """Switches off what is disabled, until nothing changes any more."""
    subtrees = {item["linkId"]: {one["linkId"] for one in walk([item])} for item in walk(form["item"])}
    everything = [one for plan in plans for one in (plan, *plan.below())]
    for _ in range(len(everything) + 2):
        verdicts = [_is_on(one, plans, subtrees) for one in everything]
        if verdicts == [one.on for one in everything]:
            return
        for one, verdict in zip(everything, verdicts, strict=True):
            one.on = verdict
    raise AssertionError("the conditions of this form never come to rest")


def _is_on(plan: Planned, plans: list[Planned], subtrees: Mapping[str, set[str]]) -> bool:
    if plan.around is not None and not plan.around.on:
        return False
    conditions = plan.item.get("enableWhen", [])
    if not conditions:
        return True
    met = [_met(condition, _looked_at(plan, condition["question"], plans, subtrees)) for condition in conditions]
    return any(met) if plan.item.get("enableBehavior") != "all" else all(met)


def _looked_at(plan: Planned, question: str, plans: list[Planned], subtrees: Mapping[str, set[str]]) -> list[Json]:
    around = plan.around
    while around is not None and (question not in subtrees[around.link_id] or question == around.link_id):
        around = around.around
    near = list(around.below()) if around is not None else [one for top in plans for one in (top, *top.below())]
    return [answer for one in near if one.link_id == question and one.on for answer in one.answers]


def _met(condition: Json, answers: list[Json]) -> bool:
    [wanted] = [given for key, given in condition.items() if key.startswith("answer")]
    if condition["operator"] == "exists":
        return bool(answers) is wanted
    return any(_compares(next(iter(answer.values())), condition["operator"], wanted) for answer in answers)


def _compares(given: Any, operator: str, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        coding = cast("Json", wanted)
        same = all(given.get(part) == coding[part] for part in ("system", "code") if part in coding)
        return same if operator == "=" else not same
    if operator in ("=", "!="):
        return (given == wanted) is (operator == "=")
    return {"<": given < wanted, "<=": given <= wanted, ">": given > wanted, ">=": given >= wanted}[operator]


def _check_groups(plans: Sequence[Planned]) -> None:
    """A required group whose items are all disabled cannot be filled at all: such a draw is thrown away."""
    for top in plans:
        for one in (top, *top.below()):
            if one.on and one.item["type"] == "group" and one.item.get("required"):
                assume(one.json(with_text=False) is not None)


def value(draw: st.DrawFn, item: Json, form: Json) -> Json:
    """A valid answer to a question."""
    if item.get("readOnly") and "initial" in item:
        return item["initial"][0]
    options = item.get("answerOption")
    if options:
        option = draw(st.sampled_from(options))
        return {key: given for key, given in option.items() if key.startswith("value")}
    if "answerValueSet" in item:
        return {"valueCoding": draw(_codings(item["answerValueSet"], form))}
    return _plain(draw, item)


def _codings(canonical: str, form: Json) -> st.SearchStrategy[Json]:
    known = standard_value_set(canonical)
    contained = {f"#{one.get('id')}": one for one in form.get("contained", [])}
    if canonical in contained:
        listed = [
            {"system": part["system"], "code": concept["code"]}
            for part in contained[canonical]["compose"]["include"]
            for concept in part.get("concept", [])
        ]
        return st.sampled_from(listed)
    if known is None:
        return st.just(_CODING)
    return st.sampled_from([{"system": system, "code": code} for system, codes in known.codes.items() for code in codes])


def _plain(draw: st.DrawFn, item: Json) -> Json:
    kind = item["type"]
    if kind in ("integer", "decimal"):
        least, most = (extension(item, name) for name in ("minValue", "maxValue"))
        low = int(-1_000 if least is None else least)
        number = draw(st.integers(low, max(low, int(1_000 if most is None else most))))
        return {"valueInteger" if kind == "integer" else "valueDecimal": number}
    if kind in ("string", "text", "open-choice"):
        text = draw(WORDS)
        least = extension(item, "minLength") or 0
        return {"valueString": text.ljust(least, "x")[: item.get("maxLength", 1_000)]}
    return draw(_OTHERS[kind](item))


def _quantities(item: Json) -> st.SearchStrategy[Json]:
    units = extensions(item, "unitOption")
    if not units:
        return st.integers(0, 500).map(lambda number: {"valueQuantity": {"value": number}})
    return st.tuples(st.integers(0, 500), st.sampled_from(units)).map(
        lambda drawn: {
            "valueQuantity": {
                "value": drawn[0],
                **{
                    {"display": "unit"}.get(part, part): drawn[1][part]
                    for part in ("system", "code", "display")
                    if part in drawn[1]
                },
            }
        }
    )


def _files(item: Json) -> st.SearchStrategy[Json]:
    types = [one.replace("/*", "/plain") for one in extensions(item, "mimeType")] or ["text/plain"]
    return st.sampled_from(types).map(lambda type_: {"valueAttachment": {"contentType": type_, "data": "aGVsbG8=", "size": 5}})


_OTHERS: dict[str, Callable[[Json], st.SearchStrategy[Json]]] = {
    "boolean": lambda _item: st.booleans().map(lambda one: {"valueBoolean": one}),
    "date": lambda _item: st.dates().map(lambda one: {"valueDate": one.isoformat()}),
    "dateTime": lambda _item: st.datetimes(timezones=st.just(UTC)).map(
        lambda one: {"valueDateTime": one.isoformat(timespec="seconds")}
    ),
    "time": lambda _item: st.times().map(lambda one: {"valueTime": one.isoformat(timespec="seconds")}),
    "url": lambda _item: WORDS.map(lambda word: {"valueUri": f"http://example.org/{word}"}),
    "choice": lambda _item: st.just({"valueCoding": _CODING}),
    "reference": lambda item: st.sampled_from(extensions(item, "referenceResource") or ["Patient"]).map(
        lambda type_: {"valueReference": {"reference": f"{type_}/1"}}
    ),
    "quantity": _quantities,
    "attachment": _files,
}
