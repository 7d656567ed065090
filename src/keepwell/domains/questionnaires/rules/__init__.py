"""What makes a form valid, what may happen to a questionnaire, and how it is compiled. Pure."""

from keepwell.domains.questionnaires.rules.definition import compile_form
from keepwell.domains.questionnaires.rules.judging import verdict
from keepwell.domains.questionnaires.rules.lifecycle import canonical
from keepwell.domains.questionnaires.rules.primitives import PRIMITIVES
from keepwell.domains.questionnaires.rules.structure import element_faults, escape

__all__ = ["PRIMITIVES", "canonical", "compile_form", "element_faults", "escape", "verdict"]
