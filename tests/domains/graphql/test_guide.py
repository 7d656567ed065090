"""The way out is told truly: on the page of the documentation, on the one the server shows, and in the dates of the headers."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from keepwell.domains.graphql import rules
from keepwell.domains.graphql.models import MUTATIONS, QUERIES, SINCE, SUNSET, Translation
from tests.domains.graphql.conftest import data
from tests.support.clinic import Clinic

PAGE = (Path(__file__).parents[3] / "docs" / "graphql-migration.md").read_text(encoding="utf-8")
ROWS = {name: (arguments, rest) for name, arguments, rest in re.findall(r"^\| `(\w+)\((.*?)\)` \| (.*) \|$", PAGE, re.MULTILINE)}


@pytest.mark.parametrize("each", [*QUERIES, *MUTATIONS], ids=lambda each: each.field)
def test_the_page_has_a_row_for_every_root_field_with_its_arguments_and_its_call(each: Translation):
    arguments, rest = ROWS[each.field]
    inside = re.findall(r"\{(\w+)\}", each.path)
    assert set(arguments.split(", ")) == {*inside, *each.query, *each.body, *([each.whole] if each.whole else [])}
    assert rest.startswith(f"`{each.method} {each.path}")
    call = rest.split("`")[1]
    assert call.removeprefix(f"{each.method} {each.path}") == (
        "?" + "&".join(f"{name}=" for name in each.query) if each.query else ""
    )
    assert all(f"`{name}`" in rest for name in each.body) or "these fields" in rest


def test_the_page_has_no_other_row():
    assert set(ROWS) == {each.field for each in (*QUERIES, *MUTATIONS)}


def test_the_page_names_the_dates_and_the_limits():
    assert f"since {SINCE:%Y-%m-%d}" in PAGE
    assert f"**{SUNSET:%Y-%m-%d}**" in PAGE
    for limit in (rules.MOST_TOKENS, rules.MOST_FIELDS, rules.MOST_DEPTH, rules.MOST_ALIASES, rules.MOST_COST):
        assert str(limit) in PAGE


async def test_the_server_shows_a_row_for_every_root_field(clinic: Clinic):
    answer = await clinic.http.get("/docs/graphql-migration", headers={"authorization": ""})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for each in (*QUERIES, *MUTATIONS):
        assert f'<tr id="{each.field}"><td>{each.field}<td>{each.replaced_by}<td>' in answer.text


async def test_every_answer_says_until_when_and_what_instead(clinic: Clinic):
    answers = [
        await clinic.graphql("{ responses { next } }"),
        await clinic.graphql("{ nonsense"),
        await clinic.graphql("{ responses { next } }", {}, authorization="Bearer nobody"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 401]
    for answer in answers:
        since = int(answer.headers["Deprecation"].removeprefix("@"))
        sunset = parsedate_to_datetime(answer.headers["Sunset"])
        assert (datetime.fromtimestamp(since, SINCE.tzinfo), sunset) == (SINCE, SUNSET)
        assert (sunset - SINCE).days >= 183
        link = '</docs/graphql-migration>; rel="deprecation"; type="text/html", </v1/responses>; rel="successor-version"'
        assert answer.headers["Link"] == link


async def test_an_answer_names_the_calls_that_replace_what_was_executed(clinic: Clinic):
    answer = await clinic.graphql("{ responses { next } a: questionnaires { next } b: questionnaires { next } }")
    assert set(data(answer)) == {"responses", "a", "b"}
    assert answer.json()["extensions"]["deprecated"] == {
        "sunset": "2027-06-30T00:00:00Z",
        "guide": "/docs/graphql-migration",
        "replaced_by": {"responses": "GET /v1/responses", "questionnaires": "GET /v1/questionnaires"},
    }
