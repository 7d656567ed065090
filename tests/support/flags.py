"""Flags that only tests know."""

from datetime import date

from keepwell.domains.flags import Declaration, switch

NEW = switch("new-thing", "Something new.", owner="tests", declared=date(2026, 1, 1), default=False)
OLD = switch(
    "old-thing", "Something that can be turned off.", owner="tests", declared=date(2025, 1, 1), default=True, kill_switch=True
)
COLOUR = Declaration(
    "colour",
    "string",
    "What colour.",
    "tests",
    date(2026, 1, 1),
    {"plain": "grey", "fancy": "blue"},
    "plain",
    on="fancy",
    off="plain",
)
FLAGS = (NEW, OLD, COLOUR)
