"""FHIRPath 2.0 for forms: parsed once into a program, run with a bounded number of steps, never any input or output.

It is our own because no Python package could be bounded, and the one that is kept took a millisecond for a path over fifty
items where a check of the whole response takes a tenth of that (`docs/validation.md` has the numbers). Tests compare the two.
"""

from keepwell.kit.fhir.fhirpath.errors import ExhaustedError, ExpressionError, UnavailableError
from keepwell.kit.fhir.fhirpath.program import Program, compile_expression
from keepwell.kit.fhir.fhirpath.values import Collection, Element, Fuel, Scope, child, from_json, to_json

__all__ = [
    "Collection",
    "Element",
    "ExhaustedError",
    "ExpressionError",
    "Fuel",
    "Program",
    "Scope",
    "UnavailableError",
    "child",
    "compile_expression",
    "from_json",
    "to_json",
]
