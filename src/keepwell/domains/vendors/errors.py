"""What can go wrong with vendors."""

from keepwell.kernel.problems import ProblemType

INVALID_VENDOR = ProblemType(
    "invalid-vendor", 422, "The vendor cannot be recorded like this", "Correct the fields listed in errors.", kept=False
)
VENDOR_REGISTERED = ProblemType(
    "vendor-registered", 409, "The clinic has a vendor of this name", "Change the vendor there is, or use another name."
)
VENDOR_ENDED = ProblemType("vendor-ended", 409, "The clinic no longer works with this vendor", "Register the vendor again.")
VENDOR_WITHOUT_AGREEMENT = ProblemType(
    "vendor-without-agreement",
    409,
    "There is no agreement with this vendor that allows it to have health information",
    "Sign one and record it with the vendor, with the days on which it begins and ends.",
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_VENDOR, VENDOR_REGISTERED, VENDOR_ENDED, VENDOR_WITHOUT_AGREEMENT)
