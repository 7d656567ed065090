"""How much each address, person and clinic may ask. Decided in this process, settled with the others a moment later.

A bucket here knows what the others took as of the last settlement, and what this process let through since. As long as that is
a small share of the burst, a request waits for nobody; beyond it, or where the burst is small, all processes are asked. So at
most a share for each process is let through too many, and a usual request costs no round trip. While Valkey is away each process
goes by what it knows itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from time import monotonic_ns
from typing import NamedTuple
from uuid import UUID

import msgspec
from prometheus_client import Counter

from keepwell.kernel.envelope import Actor
from keepwell.kernel.problems import RATE_LIMITED, Refusal
from keepwell.kit.gcra import Rate, left, taken, wait, whole_seconds
from keepwell.kit.ids import NIL
from keepwell.platform.allowances import Allowances, Owed

USUAL = "default"
"""The policy of operations that do not say another."""

SHARE = 20
"""A process lets through the burst divided by this before it asks the others."""

_SETTLE_SECONDS = 0.05
_SETTLED_AT_ONCE = 100
_MOST_BUCKETS = 20_000

DECISIONS = Counter("keepwell_rate_limit_decisions", "Requests let through or refused, by limit", ["limit", "outcome"])
SETTLEMENTS = Counter("keepwell_rate_limit_settlements", "Settlements with the other processes: shared, or alone", ["outcome"])

Headers = tuple[tuple[bytes, bytes], ...]


class Policy(msgspec.Struct, frozen=True):
    """The limits of a class of operations; None: no limit. `tenants` are clinics with another limit than `tenant`."""

    address: Rate | None = None
    user: Rate | None = None
    tenant: Rate | None = None
    tenants: Mapping[UUID, Rate | None] = {}


class Standing(NamedTuple):
    """What came of one request: the headers that tell where its caller stands, and the refusal of one too many."""

    headers: Headers = ()
    refusal: Refusal | None = None


class Bucket:
    """One limit of one subject. `owed` is what was let through here and not settled yet."""

    __slots__ = ("allowed", "full_at", "key", "name", "owed", "rate")

    def __init__(self, name: str, key: str, rate: Rate) -> None:
        self.name = name
        self.key = key
        self.rate = rate
        self.full_at = 0
        self.owed = 0
        self.allowed = DECISIONS.labels(name, "allowed")

    @property
    def share_used(self) -> bool:
        return self.owed >= self.rate.burst // SHARE

    def take(self, now: int) -> None:
        self.full_at = taken(self.rate, self.full_at, now)
        self.owed += 1

    def owing(self) -> Owed:
        """What is owed, which is then not owed any more."""
        count, self.owed = self.owed, 0
        return Owed(self.key, self.rate, count)

    def learn(self, full_at: int) -> None:
        """Hears when the bucket is full again by what all processes said; what was taken since comes on top."""
        self.full_at = max(self.full_at, full_at + self.owed * self.rate.interval)


class RateLimits:
    """The limits of one process. `key` makes what names buckets outside of it; without `allowances` it is the only process.

    Buckets not used for longest are forgotten beyond a number, so that no stranger fills the memory.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        key: bytes,
        allowances: Allowances | None = None,
        now: Callable[[], int] = lambda: monotonic_ns() // 1000,
    ) -> None:
        self._policies = policies
        self._key = key
        self._allowances = allowances
        self._now = now
        self._buckets: OrderedDict[tuple[str, str | UUID], Bucket] = OrderedDict()
        self._owing: set[Bucket] = set()
        self._settling: asyncio.Task[None] | None = None

    async def spend(self, policy: str, network: str | None, actor: Actor) -> Standing:
        """Counts one request of this actor from this network (of nobody, or from nowhere, that limit does not count).

        What is refused takes nothing from any limit.

        Raises:
            KeyError: there is no such policy.
        """
        buckets = self._concerned(policy, network, actor)
        if not buckets:
            return Standing()
        now = self._now()
        refusing = _refusing(buckets, now)
        if refusing is None and self._allowances is not None and any(bucket.share_used for bucket in buckets):
            refusing = await self._ask(self._allowances, buckets)
        elif refusing is None:
            self._take(buckets, now)
        headers = _headers(buckets, self._now())
        if refusing is None:
            for bucket in buckets:
                bucket.allowed.inc()
            return Standing(headers)
        DECISIONS.labels(refusing.name, "refused").inc()
        after = max(1, whole_seconds(wait(refusing.rate, refusing.full_at, self._now())))
        return Standing(headers, Refusal(RATE_LIMITED, f"The limit {refusing.name} is used up.", retry_after=after))

    async def close(self) -> None:
        """Settles nothing more."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    def _concerned(self, name: str, network: str | None, actor: Actor) -> list[Bucket]:
        policy = self._policies[name]
        limits: list[tuple[str, Rate | None, str | UUID | None]] = [("address", policy.address, network)]
        if actor.id != NIL:
            limits.append(("user", policy.user, actor.id))
            limits.append(("tenant", policy.tenants.get(actor.tenant, policy.tenant), actor.tenant))
        prefix = "" if name == USUAL else f"{name}-"
        return [self._bucket(prefix + scope, rate, subject) for scope, rate, subject in limits if rate and subject]

    def _bucket(self, name: str, rate: Rate, subject: str | UUID) -> Bucket:
        place = (name, subject)
        bucket = self._buckets.get(place)
        if bucket is None:
            digest = blake2b(str(subject).encode(), key=self._key, digest_size=16).hexdigest()
            bucket = self._buckets[place] = Bucket(name, f"keepwell:rate:{name}:{digest}", rate)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(place)
        return bucket

    def _take(self, buckets: Sequence[Bucket], now: int) -> None:
        for bucket in buckets:
            bucket.take(now)
        if self._allowances is not None:
            self._owing.update(buckets)
            if self._settling is None:
                self._settling = asyncio.create_task(self._settle(self._allowances), name="rate-limits")

    async def _ask(self, allowances: Allowances, buckets: Sequence[Bucket]) -> Bucket | None:
        """The bucket that refuses one more, by what all processes know."""
        settled = await allowances.settle([bucket.owing() for bucket in buckets], one_more=True)
        now = self._now()
        SETTLEMENTS.labels("alone" if settled is None else "shared").inc()
        if settled is None:
            refusing = _refusing(buckets, now)
            if refusing is None:
                self._take(buckets, now)
            return refusing
        for bucket, full_in in zip(buckets, settled.full_in, strict=True):
            bucket.learn(now + full_in)
        return None if settled.allowed else max(buckets, key=lambda bucket: wait(bucket.rate, bucket.full_at, now))

    async def _settle(self, allowances: Allowances) -> None:
        """Tells the others, and hears from them, until nothing is owed."""
        try:
            while self._owing:
                await asyncio.sleep(_SETTLE_SECONDS)
                owing, self._owing = self._owing, set()
                told = list(owing)
                for start in range(0, len(told), _SETTLED_AT_ONCE):
                    some = told[start : start + _SETTLED_AT_ONCE]
                    settled = await allowances.settle([bucket.owing() for bucket in some])
                    SETTLEMENTS.labels("alone" if settled is None else "shared").inc()
                    now = self._now()
                    for bucket, full_in in zip(some, settled.full_in if settled else (), strict=settled is not None):
                        bucket.learn(now + full_in)
        finally:
            self._settling = None


@lru_cache(maxsize=10_000)
def network(host: str) -> str:
    """What counts as one address: an IPv4 address however it is written, of IPv6 the /64 that one household or host has."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _refusing(buckets: Sequence[Bucket], now: int) -> Bucket | None:
    """The bucket that lets nobody through for longest; None when all let one more through."""
    longest, refusing = 0, None
    for bucket in buckets:
        if (waiting := wait(bucket.rate, bucket.full_at, now)) > longest:
            longest, refusing = waiting, bucket
    return refusing


def _headers(buckets: Sequence[Bucket], now: int) -> Headers:
    """All limits that held, and how it stands with the one nearest to its end."""
    lowest, least = buckets[0], 2.0
    for bucket in buckets:
        part = left(bucket.rate, bucket.full_at, now) / bucket.rate.burst
        if part < least:
            lowest, least = bucket, part
    remaining, reset = left(lowest.rate, lowest.full_at, now), whole_seconds(max(0, lowest.full_at - now))
    standing = f'"{lowest.name}";r={remaining};t={reset}'.encode("ascii")
    return (_policies(tuple((bucket.name, bucket.rate) for bucket in buckets)), (b"ratelimit", standing))


@lru_cache(maxsize=1000)
def _policies(limits: tuple[tuple[str, Rate], ...]) -> tuple[bytes, bytes]:
    """As in the IETF's draft RateLimit header fields for HTTP: the quota, and the seconds in which it comes back."""
    told = ", ".join(f'"{name}";q={rate.burst};w={max(1, whole_seconds(rate.window))}' for name, rate in limits)
    return (b"ratelimit-policy", told.encode("ascii"))
