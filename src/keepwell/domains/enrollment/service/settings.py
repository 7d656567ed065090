"""What the services of this room share: names, and limits."""

import msgspec

BATCH, PART, RESOURCE = "batch", "batch-part", "Batch"
RUN = "enrollment.run"
"""The kind of job that runs a batch."""


class EnrollmentSettings(msgspec.Struct, frozen=True):
    """How much is taken on: rows of a batch, batches of a clinic that are not finished, parts run at once in a process.

    `stall` is after how many seconds without a row a batch that should move is said not to. `pauses` are the first and the
    longest wait, in seconds, before something is tried again, at most `tries` times in a row.
    """

    rows: int = 1_000_000
    open_batches: int = 50
    at_once: int = 3
    stall: float = 120.0
    pauses: tuple[float, float] = (0.2, 10.0)
    tries: int = 8
