"""What may happen to a response, and whether answers fit their form. Pure."""

from keepwell.domains.responses.rules.changes import Ground, understand
from keepwell.domains.responses.rules.completeness import shortcomings

__all__ = ["Ground", "shortcomings", "understand"]
