"""Why an expression has no result."""


class ExpressionError(Exception):
    """The expression is not FHIRPath, uses what is not provided here, or does not fit the data it met."""


class UnavailableError(ExpressionError):
    """It needs something that is known to exist but is not at hand, such as the patient's record."""


class ExhaustedError(ExpressionError):
    """It would take more steps, or build more, than one check may."""
