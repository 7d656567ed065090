"""How hard tests try: enough to notice in the everyday suite, thoroughly in the long one."""

import os

LONG = os.environ.get("KEEPWELL_LONG") == "1"


def examples(everyday: int, long: int) -> int:
    """How many examples a property is tried on that costs many requests each."""
    return long if LONG else everyday
