"""What may happen to a response, and whether answers fit their form. Pure."""

from keepwell.domains.responses.rules.changes import Ground, understand
from keepwell.domains.responses.rules.reading import Reading, in_tree, read_items
from keepwell.domains.responses.rules.replacing import Replacement, replacement
from keepwell.domains.responses.rules.tree import items_of
from keepwell.domains.responses.rules.verdicts import Filled, as_fault, filled, issues, shortcomings

__all__ = [
    "Filled",
    "Ground",
    "Reading",
    "Replacement",
    "as_fault",
    "filled",
    "in_tree",
    "issues",
    "items_of",
    "read_items",
    "replacement",
    "shortcomings",
    "understand",
]
