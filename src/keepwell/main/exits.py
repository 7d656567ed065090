"""What the exit statuses of `keepwell` mean."""

FAILED = 1
"""What was checked is not in order."""
UNUSABLE_SETTINGS = 3
CANNOT_START = 4
DEMO_REFUSED = 5

EXPLAINED = (
    "Exit status: 0 done; 1 what was checked is not in order; 2 wrong use; 3 settings that cannot be used; "
    "4 a part that is needed cannot be had; 5 --demo on a database that holds other clinics."
)
