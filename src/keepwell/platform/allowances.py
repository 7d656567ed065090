"""What is left of allowances over all processes: one instant a bucket in Valkey. All of it may be lost.

Everything that is asked in one call is judged in one round trip, by one script, on the clock of Valkey alone: it is told
durations and answers durations, so no two machines need to agree on the time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keepwell.kit.gcra import Rate
from keepwell.platform.valkey import Valkey

# What was let through already is owed and taken first; it never costs more than an empty bucket, so nobody waits for what others
# were let through too many. One more is then taken from all buckets, or from none.
_SETTLE = """
local time = redis.call('TIME')
local now, asked = time[1] * 1000000 + time[2], tonumber(ARGV[1])
local full, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local interval, burst, owed = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local most = now + interval * burst
  full[i] = math.min(math.max(tonumber(redis.call('GET', key) or 0), now) + owed * interval, most)
  if full[i] + asked * interval > most then allowed = 0 end
end
local told = {allowed}
for i, key in ipairs(KEYS) do
  local at = full[i] + asked * allowed * tonumber(ARGV[3 * i - 1])
  if at > now then redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000)) end
  told[i + 1] = at - now
end
return told
"""


class Owed(NamedTuple):
    """What a process let through from one bucket since it last said so. `key` holds nothing that identifies anybody."""

    key: str
    rate: Rate
    requests: int


class Settled(NamedTuple):
    """Whether one more was taken from every bucket, and in how many microseconds each is full again."""

    allowed: bool
    full_in: list[int]


class Allowances:
    """Buckets shared by all processes."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def settle(self, owed: Sequence[Owed], *, one_more: bool = False) -> Settled | None:
        """Takes what is owed, and one more from each bucket if all have it. None: nothing can be told now."""
        arguments: list[int] = [int(one_more)]
        for each in owed:
            arguments += (each.rate.interval, each.rate.burst, each.requests)

        async def work(client: Any) -> list[int]:
            return await client.register_script(_SETTLE)(keys=[each.key for each in owed], args=arguments)

        told: list[int] | None = await self._valkey.run(work, None)
        return None if told is None else Settled(bool(told[0]), told[1:])
