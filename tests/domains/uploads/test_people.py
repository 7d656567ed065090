"""The one form of each value, and the code of what is wrong with others."""

from datetime import date
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from keepwell.domains.uploads import Mapping, Normaliser, NormalRow, RawRow, RowFault, faulty

TODAY = date(2026, 3, 1)
USUAL = Mapping()
GERMAN = Mapping(date_formats=("DD.MM.YYYY",), phone_region="DE")


def normal(mapping: Mapping = USUAL, /, **values: str) -> NormalRow | RowFault:
    return Normaliser(mapping, TODAY).normal(RawRow(1, {"external_id": "1", **values}, 2))


TAKEN: list[tuple[Mapping, str, str, str | None]] = [
    (Mapping(), "external_id", " E-7 ", "E-7"),
    (Mapping(), "given_name", "  Zoe\u0308 \t Ann ", "Zo\u00eb Ann"),
    (Mapping(), "family_name", "   ", None),
    (Mapping(), "birth_date", "1970-12-31", "1970-12-31"),
    (Mapping(), "birth_date", "1970-12", "1970-12"),
    (Mapping(), "birth_date", "2026-03-01", "2026-03-01"),
    (Mapping(), "birth_date", "2026", "2026"),
    (GERMAN, "birth_date", "1.2.1970", "1970-02-01"),
    (GERMAN, "birth_date", "1970-02-01", "1970-02-01"),
    (Mapping(date_formats=("MM/DD/YYYY",)), "birth_date", "01/02/1970", "1970-01-02"),
    (Mapping(date_formats=("MM/DD/YYYY", "DD/MM/YYYY")), "birth_date", "13/02/1970", "1970-02-13"),
    (Mapping(), "email", "Ann@EXAMPLE.org", "Ann@example.org"),
    (Mapping(), "phone", "+49 (0)30 1234567", "+49301234567"),
    (GERMAN, "phone", "030 1234567", "+49301234567"),
    (Mapping(), "phone", "030  1234567", "030 1234567"),
    (Mapping(), "time_zone", "europe/berlin", "Europe/Berlin"),
]


@pytest.mark.parametrize(("mapping", "name", "text", "form"), TAKEN)
def test_a_value_has_one_form(mapping: Mapping, name: str, text: str, form: str | None) -> None:
    found = normal(mapping, **{name: text})
    assert isinstance(found, NormalRow), found
    assert getattr(found, name) == form


FAULTS: list[tuple[Mapping, str, str, str]] = [
    (Mapping(), "external_id", "  ", "missing-external-id"),
    (Mapping(), "external_id", "a\u0007", "invalid-external-id"),
    (Mapping(), "external_id", "a" * 256, "invalid-external-id"),
    (Mapping(), "given_name", "a\u0007", "invalid-given-name"),
    (Mapping(), "family_name", "a" * 501, "invalid-family-name"),
    (Mapping(), "birth_date", "31.12.1970", "invalid-birth-date"),
    (Mapping(), "birth_date", "1970-02-30", "invalid-birth-date"),
    (Mapping(), "birth_date", "70-02-03", "invalid-birth-date"),
    (Mapping(), "birth_date", "2026-03-02", "birth-date-in-future"),
    (Mapping(), "birth_date", "2026-04", "birth-date-in-future"),
    (Mapping(), "birth_date", "0197-01-01", "birth-date-too-early"),
    (GERMAN, "birth_date", "12/31/1970", "invalid-birth-date"),
    (Mapping(date_formats=("MM/DD/YYYY", "DD/MM/YYYY")), "birth_date", "01/02/1970", "ambiguous-birth-date"),
    (Mapping(), "email", "ann", "invalid-email"),
    (Mapping(), "email", "a@b@example.org", "invalid-email"),
    (Mapping(), "phone", "+4", "invalid-phone"),
    (GERMAN, "phone", "call me", "invalid-phone"),
    (Mapping(), "time_zone", "Munich", "invalid-time-zone"),
    (Mapping(), "ward", "a" * 2_001, "invalid-attribute"),
]


@pytest.mark.parametrize(("mapping", "name", "text", "code"), FAULTS)
def test_a_value_that_has_none_is_a_fault_that_does_not_repeat_it(mapping: Mapping, name: str, text: str, code: str) -> None:
    found = normal(mapping, **{name: text})
    assert isinstance(found, RowFault)
    assert ([fault.code for fault in found.faults], found.number, found.line) == ([code], 1, 2)
    assert found.faults[0].pointer == ("/attributes" if name == "ward" else f"/{name}")
    assert len(text.strip()) < 3 or text not in repr(found)


def test_every_fault_of_a_row_is_told() -> None:
    found = normal(external_id="", birth_date="x", email="y")
    assert isinstance(found, RowFault)
    assert [fault.code for fault in found.faults] == ["missing-external-id", "invalid-birth-date", "invalid-email"]


_ANY = st.one_of(
    st.text(max_size=20),
    st.sampled_from([form for _, _, form, _ in TAKEN]),
    st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True),
    st.dates(date(1850, 1, 1)).map(lambda day: day.strftime("%d.%m.%Y")),
)


@given(
    st.dictionaries(st.sampled_from(["external_id", "given_name", "family_name", "email", "phone", "birth_date", "ward"]), _ANY),
    st.sampled_from([Mapping(), GERMAN]),
)
def test_what_is_in_normal_form_stays_as_it_is(values: dict[str, str], mapping: Mapping) -> None:
    found = normal(mapping, **values)
    if isinstance(found, RowFault):
        return
    fields: dict[str, Any] = asdict(found)
    attributes = fields.pop("attributes")
    again = {name: text for name, text in fields.items() if isinstance(text, str)}
    assert normal(mapping, **again, **attributes) == found
    assert all(normalize("NFC", text) == text for text in again.values())


def test_a_configuration_that_cannot_be_used_is_told() -> None:
    assert not list(faulty(GERMAN))
    wrong = Mapping(columns={"nickname": ("a",)}, date_formats=("DD.MM.YY", "DD.MM.YYYY", "DD.DD.YYYY"), phone_region="XX")
    assert [fault.pointer for fault in faulty(wrong)] == ["/columns", "/date_formats/0", "/date_formats/2", "/phone_region"]
