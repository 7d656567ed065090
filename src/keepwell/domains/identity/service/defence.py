"""The defence of accounts against guessing: failures are counted, and what comes next gets slower or more work for who fails.

Failures of an account are counted by its address, whether there is such an account or not, so that nobody can tell. A device that
was in the account before has a count of its own and is spared what strangers did; a stranger can make an account slower for
devices it does not know, and can lock nobody out.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import prometheus_client

from keepwell.domains.identity.errors import CHALLENGE_REQUIRED
from keepwell.domains.identity.rules.defence import EASIEST, Demand, Kind, demand, guards
from keepwell.domains.identity.rules.people import normal_email
from keepwell.domains.identity.service.devices import Devices
from keepwell.domains.identity.service.puzzles import Puzzles
from keepwell.kernel import Refusal, Refused
from keepwell.kit.time import Clock
from keepwell.platform.counts import Counts

TRIES = prometheus_client.Counter(
    "keepwell_login_defence", "Tries let through free, after a pause, or for work done, and those that were held up", ["outcome"]
)


class DefenceSettings(msgspec.Struct, frozen=True):
    """How many failures are free: of one account or device, and from one address."""

    account: int = 10
    address: int = 100


class Visit(msgspec.Struct, frozen=True):
    """Where a try comes from: the network, the device's token, and the solution of a puzzle, as far as there are any."""

    network: str | None = None
    device: str | None = None
    solution: str | None = None


NOWHERE = Visit()


class Defence:
    """One per process; what it counts is shared by all. `derive` gives 32 bytes for a label; it may not know them yet."""

    def __init__(self, derive: Callable[[str], bytes], clock: Clock, counts: Counts, settings: DefenceSettings) -> None:
        self._counts = counts
        self._guards = guards(settings.account, settings.address)
        self._key = partial(derive, "keepwell login defence v1")
        self._under_way = Counter[str]()
        self.devices = Devices(derive, clock)
        self.puzzles = Puzzles(partial(derive, "keepwell login puzzles v1"), clock, counts)

    # -- logging in

    async def admit(self, email: str, visit: Visit) -> None:
        """Lets a try through to the password.

        Raises:
            Refused: `challenge-required`, with a puzzle whose solution lets the next one through.
        """
        await self.required(self._counted(email, visit), visit.solution)

    async def failed(self, email: str, visit: Visit) -> None:
        """The try did not lead in."""
        await self.count(self._counted(email, visit))

    @contextmanager
    def trying(self, email: str, visit: Visit) -> Generator[None]:
        """Around a try, from before it is admitted until its failure is counted: meanwhile it stands for a failure.

        Otherwise as many guesses as the hashing queue holds could be on their way at once, however few are free.
        """
        places = [self._place(each) for each in self._counted(email, visit) if self._guards[each[0]].consecutive]
        self._under_way.update(places)
        try:
            yield
        finally:
            self._under_way.subtract(places)
            for place in places:
                if not self._under_way[place]:
                    del self._under_way[place]

    async def succeeded(self, email: str, visit: Visit) -> str | None:
        """The try led in; the token of a device that was never there before."""
        await self.forgive([each for each in self._counted(email, visit) if self._guards[each[0]].consecutive])
        account = normal_email(email)
        return None if self.devices.known(visit.device, account) else self.devices.welcome(account)

    async def beforehand(self, visit: Visit) -> dict[str, Any]:
        """A puzzle for who wants to have solved one before being asked to: as hard as their network makes it."""
        demands = await self._demands([] if visit.network is None else [("address", visit.network)])
        return self.puzzles.make(max((each.work for _, each in demands), default=EASIEST))

    def _counted(self, email: str, visit: Visit) -> list[tuple[Kind, str]]:
        account = normal_email(email)
        device = self.devices.known(visit.device, account)
        if device is not None:
            return [("device", device)]
        return [("account", account), *([("address", visit.network)] if visit.network else [])]

    # -- anything that can be guessed

    async def required(self, subjects: Sequence[tuple[Kind, str]], solution: str | None) -> None:
        """Lets a try through if nothing is demanded, if the work is done, or if the pause is over and nobody else took its end.

        Raises:
            Refused: `challenge-required`.
        """
        demands = await self._demands(subjects)
        if not demands:
            TRIES.labels("free").inc()
            return
        work = max(each.work for _, each in demands)
        if solution is not None and await self.puzzles.solved(solution, work):
            TRIES.labels("worked").inc()
            return
        if solution is None and await self._waited(demands):
            TRIES.labels("waited").inc()
            return
        TRIES.labels("held-up").inc()
        pause = max(each.pause or 1 for _, each in demands)
        raise Refused(Refusal(CHALLENGE_REQUIRED, extra={"challenge": self.puzzles.make(work)}, retry_after=pause))

    async def count(self, subjects: Sequence[tuple[Kind, str]]) -> None:
        """One more failure of each."""
        await self._counts.add({self._place(each): self._guards[each[0]].lifetime for each in subjects})

    async def forgive(self, subjects: Sequence[tuple[Kind, str]]) -> None:
        """Forgets the failures of each."""
        if subjects:
            await self._counts.forget([self._place(each) for each in subjects])

    async def _demands(self, subjects: Sequence[tuple[Kind, str]]) -> list[tuple[str, Demand]]:
        """What is demanded, and of what."""
        if not subjects:
            return []
        places = [self._place(each) for each in subjects]
        counts = await self._counts.of(places)
        found = [
            (place, demand(self._guards[kind], self._feared(place, count)))
            for (kind, _), place, count in zip(subjects, places, counts, strict=True)
        ]
        return [(place, each) for place, each in found if each is not None]

    def _feared(self, place: str, failures: int) -> int:
        """Failures, and the other tries under way, which become some if those before them did. Many who get in are no danger."""
        return failures + max(0, self._under_way[place] - 1) if failures else 0

    async def _waited(self, demands: Sequence[tuple[str, Demand]]) -> bool:
        """Takes the end of every pause; where there is none to take, only work helps."""
        if any(each.pause is None for _, each in demands):
            return False
        return all([await self._counts.first(f"{place}:pause", each.pause or 1) for place, each in demands])

    def _place(self, subject: tuple[Kind, str]) -> str:
        kind, name = subject
        digest = hmac.digest(self._key(), f"{kind}:{name}".encode(errors="replace"), hashlib.sha256)
        return f"keepwell:failures:{kind}:{digest[:16].hex()}"
