"""What may happen to a response, and whether answers fit their form. Pure."""

from keepwell.domains.responses.rules.changes import Ground, understand
from keepwell.domains.responses.rules.tree import answers_of, items_of
from keepwell.domains.responses.rules.verdicts import Filled, as_fault, filled, issues, shortcomings

__all__ = ["Filled", "Ground", "answers_of", "as_fault", "filled", "issues", "items_of", "shortcomings", "understand"]
