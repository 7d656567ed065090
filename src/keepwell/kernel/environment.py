"""What every plan of a process shares."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from keepwell.kernel.admission import Admitted
from keepwell.kernel.aggregate import Catalog
from keepwell.kernel.codec import Codec
from keepwell.kit.time import Clock


class Environment(NamedTuple):
    """`derived` is the process's cache over immutable aggregates.

    `recency`: for how long who has proved who they are need not do so again for what is sensitive.
    """

    catalog: Catalog
    codec: Codec
    clock: Clock
    lifetime: timedelta
    derived: Any
    report: Callable[[BaseException, Admitted | None], None]
    recency: timedelta = timedelta(minutes=15)
