"""What can go wrong in live rooms."""

from keepwell.kernel.problems import ProblemType

ROOM_FULL = ProblemType("room-full", 409, "The room is full", "Come back when somebody has left; the limit is in the detail.")
FOCUS_HELD = ProblemType(
    "focus-held", 409, "Somebody else is at this item", "Wait until it is free, or go on without: a change is taken all the same."
)
TOO_FAST = ProblemType(
    "too-fast", 429, "Messages come too fast", "Connect again after a moment, and send what has come together in one message."
)
IDLE = ProblemType("idle", 408, "Nothing was heard for too long", "Connect again, and send a ping from time to time.")
TOO_SLOW = ProblemType(
    "too-slow",
    503,
    "Messages are not taken fast enough",
    "Connect again, where more gets through; what happened since is sent then.",
)
RESTARTING = ProblemType("restarting", 503, "The server restarts", "Connect again after the time given; nothing is lost.")

PROBLEMS: tuple[ProblemType, ...] = (ROOM_FULL, FOCUS_HELD, TOO_FAST, IDLE, TOO_SLOW, RESTARTING)
