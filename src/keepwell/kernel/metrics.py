"""What the command path tells Prometheus. Labels are names from the code, never anything a caller sent."""

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter(
    "keepwell_commands_total", "Commands run, by what came of them (ok, replayed, or a problem code).", ["command", "outcome"]
)
READS = Counter("keepwell_reads_total", "Reads of aggregates, by what came of them.", ["kind", "outcome"])
BATCH = Histogram(
    "keepwell_batch_size", "Commands or reads that shared one round trip.", ["lane"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 1024)
)
BATCH_SECONDS = Histogram(
    "keepwell_batch_seconds",
    "Time one batch took, load to commit.",
    ["lane"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUEUED = Gauge("keepwell_lane_queued", "Commands or reads waiting for the next batch.", ["lane"])
SHED = Counter("keepwell_lane_shed_total", "Commands or reads told to come back later.", ["lane"])
CACHED_READS = Counter(
    "keepwell_read_cache_reads",
    "Reads of cached kinds: served from this process's memory or from Valkey, held but stale, not held, held but unreadable.",
    ["outcome"],
)
SHARED_READS = Counter(
    "keepwell_read_cache_valkey_reads", "Batches of reads that asked Valkey, or had to go without.", ["outcome"]
)
SHARED_WRITES = Counter(
    "keepwell_read_cache_valkey_writes", "Views for Valkey: stored, older than what is there, failed, dropped.", ["outcome"]
)
CACHE_BYTES = Gauge("keepwell_read_cache_bytes", "What this process holds of states and views, roughly")
TALLY_WAITING = Gauge("keepwell_tally_waiting", "Different counts of this process that are not written yet")
TALLY_WRITES = Counter("keepwell_tally_writes_total", "Attempts to write counts", ["outcome"])
TALLY_DROPPED = Counter("keepwell_tally_dropped_total", "What was not counted because too many different counts wait", ["name"])
REDONE = Counter("keepwell_batches_redone_total", "Batches decided again, by why (race, isolated).", ["reason"])


@lru_cache(maxsize=10_000)  # commands, kinds and problem codes are all from the code, so this ends somewhere
def commands(command: str, outcome: str) -> Counter:
    """The series of `COMMANDS` for these labels: finding it is dearer than counting."""
    return COMMANDS.labels(command, outcome)


@lru_cache(maxsize=10_000)
def reads(kind: str, outcome: str) -> Counter:
    """The series of `READS` for these labels."""
    return READS.labels(kind, outcome)
