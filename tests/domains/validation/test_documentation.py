"""What the page on validation says is what the code does."""

import re
from pathlib import Path

from keepwell.kit.fhir import limits

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "validation.md").read_text()
_FOLDERS = ("domains/validation", "kit/fhir")
SOURCES = [path.read_text() for folder in _FOLDERS for path in (ROOT / "src/keepwell" / folder).rglob("*.py")]


def test_every_code_is_on_the_page_and_no_other():
    said = {code for source in SOURCES for code in re.findall(r'Finding\(\s*"([a-z-]+)"', source)}
    said |= {"too-small", "too-large", "limit"}
    table = PAGE.partition("| code | kind | what |")[2].partition("\n\n")[0]
    told = {code for line in table.splitlines()[2:] for code in re.findall(r"`([a-z-]+)`", line.split("|")[1])}
    assert told == said


def test_the_limits_on_the_page_are_those_of_the_code():
    for limit in (
        limits.MAX_ITEMS,
        limits.MAX_DEPTH,
        limits.MAX_PATTERN,
        limits.MAX_PATTERNS,
        limits.MAX_EXPRESSION,
        limits.MAX_EXPRESSIONS,
        limits.MAX_RESPONSE_ITEMS,
        limits.EXPRESSION_FUEL,
    ):
        assert re.search(rf"\b{limit:,}\b", PAGE), limit
