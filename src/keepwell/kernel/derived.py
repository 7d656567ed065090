"""What was derived from immutable aggregates, kept by each process: compiled questionnaires and the like."""

import asyncio
from collections import OrderedDict
from typing import Any
from uuid import UUID

from keepwell.kernel.aggregate import Catalog
from keepwell.kernel.envelope import Snapshot

Target = tuple[UUID, str, UUID]


class DerivedCache:
    """What was derived from immutable aggregates, such as compiled questionnaires. Holds no health information.

    Deriving may take long, so it is done in a thread, and only once for all who want the same at the same time.
    """

    def __init__(self, most: int = 2_000) -> None:
        self._found: OrderedDict[Target, Any] = OrderedDict()
        self._most = most
        self._deriving: dict[Target, asyncio.Task[Any]] = {}

    async def derive(self, catalog: Catalog, target: Target, snapshot: Snapshot) -> bool:
        """Derives what is not there yet, and keeps it. False when that failed; why shows when it is tried again."""
        if target in self._found:
            return True
        task = self._deriving.get(target)
        if task is None:
            derive = catalog.kinds[snapshot.kind].derive
            if derive is None:
                return False
            task = self._deriving[target] = asyncio.ensure_future(asyncio.to_thread(derive, snapshot.state))
            task.add_done_callback(lambda _: self._deriving.pop(target, None))
        try:
            self.put(target, (snapshot, await asyncio.shield(task)))
        except Exception:  # noqa: BLE001 - it belongs to the command that wanted it
            return False
        return True

    def get(self, target: Target) -> Any:
        found = self._found.get(target)
        if found is not None:
            self._found.move_to_end(target)
        return found

    def put(self, target: Target, found: Any) -> None:
        self._found[target] = found
        if len(self._found) > self._most:
            self._found.popitem(last=False)
