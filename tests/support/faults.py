"""Valid responses with exactly one fault put into them: what the validator must name, where, and nothing besides."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.support.answers import Filled, Json, Planned, extension, extensions, filled, needed_elsewhere, value, walk

_STRANGER = {"system": "urn:nowhere", "code": "no-such-code"}
_MALFORMED = {
    "date": {"valueDate": "2026-02-30"},
    "dateTime": {"valueDateTime": "2026-02-28T12:00:00"},
    "time": {"valueTime": "24:00:00"},
    "integer": {"valueInteger": 2**31},
    "decimal": {"valueDecimal": "1"},
    "boolean": {"valueBoolean": "true"},
    "url": {"valueUri": "not a url"},
    "text": {"valueString": ""},
    "quantity": {"valueQuantity": {"value": 1, "weight": 2}},
    "attachment": {"valueAttachment": {"data": "%"}},
    "reference": {"valueReference": {"reference": 1}},
}


@dataclass
class Faulty:
    """A response, the code of its one fault, and the JSON pointer to it."""

    response: Json
    code: str
    pointer: str


@dataclass
class Site:
    """One item of a response: the list it stands in, its place there, its definition, and the pointer to that list's owner."""

    siblings: list[Json]
    index: int
    item: Json
    owner: str
    level: list[Json]

    @property
    def found(self) -> Json:
        return self.siblings[self.index]

    @property
    def pointer(self) -> str:
        return f"{self.owner}/item/{self.index}"


def sites(items: list[Json], level: list[Json], owner: str = "") -> Iterator[Site]:
    """Every item of a response with its definition, in document order."""
    known = {one["linkId"]: one for one in level}
    for index, found in enumerate(items):
        definition = known[found["linkId"]]
        site = Site(items, index, definition, owner, level)
        yield site
        below = definition.get("item", [])
        yield from sites(found.get("item", []), below, site.pointer)
        for place, answer in enumerate(found.get("answer", [])):
            yield from sites(answer.get("item", []), below, f"{site.pointer}/answer/{place}")


Made = tuple[str, str]
"""The code and pointer of the fault that was put in."""
Fault = Callable[[st.DrawFn, Site, Json], Made | None]
"""Puts a fault into a site; None, and nothing changed, when it has no place there."""


def _is_question(site: Site) -> bool:
    return bool(site.found.get("answer"))


def _with_value(site: Site, place: int, given: Json) -> None:
    kept = {key: one for key, one in site.found["answer"][place].items() if not key.startswith("value")}
    site.found["answer"][place] = {**given, **kept}


def _wrong_type(draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site):
        return None
    place = draw(st.integers(0, len(site.found["answer"]) - 1))
    given: Json = {"valueString": "yes"} if site.item["type"] == "boolean" else {"valueBoolean": True}
    _with_value(site, place, given)
    return "type", f"{site.pointer}/answer/{place}/{next(iter(given))}"


def _malformed(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    given = _MALFORMED.get(site.item["type"])
    if not _is_question(site) or given is None:
        return None
    _with_value(site, 0, given)
    inside = {"quantity": "/weight", "attachment": "/data", "reference": "/reference"}.get(site.item["type"], "")
    return "malformed", f"{site.pointer}/answer/0/{next(iter(given))}{inside}"


def _missing(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    alone = len(site.siblings) == 1 or sum(one["linkId"] == site.item["linkId"] for one in site.siblings) > 1
    if not site.item.get("required") or alone:
        return None
    del site.siblings[site.index]
    return "required", site.owner


def _unanswered(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not site.item.get("required") or not _is_question(site):
        return None
    del site.found["answer"]
    return "required", site.pointer


def _too_many(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site) or site.item.get("repeats") or extension(site.item, "maxOccurs") is not None:
        return None
    site.found["answer"].append(deepcopy(site.found["answer"][0]))
    return "too-many-answers", site.pointer


def _twice(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if site.item.get("repeats") or extension(site.item, "maxOccurs") is not None:
        return None
    site.siblings.insert(site.index + 1, deepcopy(site.found))
    return "repeated", f"{site.owner}/item/{site.index + 1}"


def _swapped(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    others, at = site.siblings, site.index
    if at + 1 >= len(others) or others[at]["linkId"] == others[at + 1]["linkId"]:
        return None
    others[at], others[at + 1] = others[at + 1], others[at]
    return "out-of-order", f"{site.owner}/item/{at + 1}"


def _other_text(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    site.found["text"] = "Something that no form asks"
    return "text-differs", site.pointer


def _nested(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site):
        return None
    site.found["item"] = [{"linkId": site.item["linkId"]}]
    return "nested-items", site.pointer


def _answered_group(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if site.item["type"] not in ("group", "display"):
        return None
    site.found["answer"] = [{"valueString": "to a group"}]
    return site.item["type"] + "-answer", site.pointer


def _unknown(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    site.siblings.append({"linkId": "no such question", "answer": [{"valueString": "lost"}]})
    return "unknown-item", f"{site.owner}/item/{len(site.siblings) - 1}"


def _nameless(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    site.siblings.append({"answer": [{"valueString": "whose?"}]})
    return "link-id-missing", f"{site.owner}/item/{len(site.siblings) - 1}"


def _misplaced(draw: st.DrawFn, site: Site, form: Json) -> Made | None:
    here = {one["linkId"] for one in site.level}
    others = [one for one in walk(form["item"]) if one["linkId"] not in here and one["type"] not in ("group", "display")]
    if not others:
        return None
    other = draw(st.sampled_from(others))
    site.siblings.append({"linkId": other["linkId"], "answer": [value(draw, other, form)]})
    return "misplaced-item", f"{site.owner}/item/{len(site.siblings) - 1}"


def _not_listed(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site) or "answerOption" not in site.item:
        return None
    if site.item["type"] in ("choice", "open-choice"):
        _with_value(site, 0, {"valueCoding": _STRANGER})
        return "not-an-option", f"{site.pointer}/answer/0"
    if site.item["type"] != "string":
        return None
    _with_value(site, 0, {"valueString": "no such choice"})
    return "not-an-option", f"{site.pointer}/answer/0/valueString"


def _too_few(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    least = extension(site.item, "minOccurs") or 1
    alike = [index for index, one in enumerate(site.siblings) if one["linkId"] == site.item["linkId"]]
    if least < 2 or not site.item.get("repeats"):
        return None
    if _is_question(site):
        del site.found["answer"][least - 1 :]
        return "min-occurs", site.pointer
    del site.siblings[alike[least - 1] : alike[-1] + 1]
    return "min-occurs", f"{site.owner}/item/{alike[0]}"


def _too_often(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    most = extension(site.item, "maxOccurs")
    alike = [index for index, one in enumerate(site.siblings) if one["linkId"] == site.item["linkId"]]
    if most is None or not site.item.get("repeats"):
        return None
    if _is_question(site):
        site.found["answer"] += [deepcopy(site.found["answer"][0]) for _ in range(most)]
        return "max-occurs", site.pointer
    copies = [deepcopy(site.found) for _ in range(most)]
    site.siblings[alike[-1] + 1 : alike[-1] + 1] = copies
    return "max-occurs", f"{site.owner}/item/{alike[-1] + most}"


def _strange_property(draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if _is_question(site) and draw(st.booleans()):
        site.found["answer"][0]["mood"] = "good"
        return "structure", f"{site.pointer}/answer/0"
    site.found["mood"] = "good"
    return "structure", site.pointer


def _wrong_file(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site) or not extensions(site.item, "mimeType"):
        return None
    site.found["answer"][0]["valueAttachment"]["contentType"] = "x-none/nothing"
    return "file-type", f"{site.pointer}/answer/0"


def _wrong_unit(_draw: st.DrawFn, site: Site, _form: Json) -> Made | None:
    if not _is_question(site) or not extensions(site.item, "unitOption"):
        return None
    site.found["answer"][0]["valueQuantity"] |= {"system": "http://unitsofmeasure.org", "code": "[stone_av]"}
    return "unit-not-allowed", f"{site.pointer}/answer/0/valueQuantity"


FAULTS: tuple[Fault, ...] = (
    _wrong_type, _malformed, _missing, _unanswered, _too_many, _twice, _swapped, _other_text, _nested, _answered_group,
    _unknown, _nameless, _misplaced, _not_listed, _too_few, _too_often, _strange_property, _wrong_file, _wrong_unit,
)  # fmt: skip


_NEEDED: dict[int, tuple[Json, set[str]]] = {}


def _needed(form: Json) -> set[str]:
    """`needed_elsewhere`, worked out once for each form."""
    if id(form) not in _NEEDED:
        _NEEDED[id(form)] = (form, needed_elsewhere(form))
    return _NEEDED[id(form)][1]


@st.composite
def every_fault(draw: st.DrawFn, form: Json) -> list[Faulty]:
    """One valid response to a form, and of each kind of fault that has a place in it a copy with that fault put in somewhere."""
    drawn = draw(filled(form))
    start = draw(st.integers(0, 1_000))
    found = [made for fault in FAULTS if (made := _put(draw, fault, drawn, start)) is not None]
    off = _disabled(drawn)
    disabled = _answered_though_disabled(drawn, off[start % len(off)]) if off else None
    return found if disabled is None else [*found, disabled]


def _put(draw: st.DrawFn, fault: Fault, drawn: Filled, start: int) -> Faulty | None:
    """The fault at the first place that has room for it, beginning somewhere and coming round."""
    response = drawn.response()
    needed = _needed(drawn.form)
    places = [site for site in sites(response.get("item", []), drawn.form["item"]) if site.item["linkId"] not in needed]
    for index in range(len(places)):
        made = fault(draw, places[(start + index) % len(places)], drawn.form)
        if made is not None:
            return Faulty(response, *made)
    return None


def _disabled(drawn: Filled) -> list[Planned]:
    """The questions that are disabled by a condition of their own, and that nothing else depends on."""
    needed = _needed(drawn.form)
    return [
        one
        for top in drawn.plans
        for one in (top, *top.below())
        if not one.on and (one.around is None or one.around.on) and one.answers and one.link_id not in needed
    ]


def _answered_though_disabled(drawn: Filled, wrong: Planned) -> Faulty | None:
    """The answer that does not apply; None where the item is there in other rows, too, and so hard to tell from them."""
    wrong.on = True
    response = drawn.response()
    wrong.on = False
    found = [site for site in sites(response["item"], drawn.form["item"]) if site.item is wrong.item]
    return Faulty(response, "disabled", found[0].pointer) if len(found) == 1 else None
