"""What can go wrong with channels and notifications."""

from keepwell.kernel.problems import ProblemType

INVALID_CHANNEL = ProblemType(
    "invalid-channel", 422, "The channel cannot be used like this", "Correct the fields listed in errors.", kept=False
)
NOTIFICATION_BEGUN = ProblemType(
    "notification-begun", 409, "It was tried to tell this already", "Tell it in another notification."
)
NOTIFICATION_NOT_DEAD = ProblemType(
    "notification-not-dead", 409, "Only what was given up can be tried again", "Wait: what is not told yet is tried by itself."
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_CHANNEL, NOTIFICATION_BEGUN, NOTIFICATION_NOT_DEAD)
