"""Validation: forms compiled once, responses checked against them in microseconds. Pure; knows no other room."""

from keepwell.domains.validation.models import (
    Form,
    FormFault,
    FormRefused,
    Issue,
    Severity,
    ValueSet,
    ValueSets,
)
from keepwell.domains.validation.rules.checking import check
from keepwell.domains.validation.rules.compiling import compile_form
from keepwell.domains.validation.rules.standard import code_system as standard_code_system
from keepwell.domains.validation.rules.standard import value_set as standard_value_set
from keepwell.domains.validation.rules.valuesets import compile_value_set

__all__ = [
    "Form",
    "FormFault",
    "FormRefused",
    "Issue",
    "Severity",
    "ValueSet",
    "ValueSets",
    "check",
    "compile_form",
    "compile_value_set",
    "standard_code_system",
    "standard_value_set",
]
