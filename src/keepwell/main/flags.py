"""Every feature flag the program knows. A flag that is everywhere on goes from here, with the code that asks for it."""

from datetime import date

from keepwell.domains.flags import Declaration, switch

REPLICA_READS = switch(
    "replica-reads",
    "Lists, histories and the audit may be read from replicas, where there are any.",
    owner="operations",
    declared=date(2026, 11, 25),
    default=True,
    kill_switch=True,
)
LEGACY_GRAPHQL = switch(
    "legacy-graphql",
    "The GraphQL door is open, for clients that have not moved to REST yet.",
    owner="interfaces",
    declared=date(2026, 11, 25),
    default=True,
    kill_switch=True,
)
MERGE_BY_DEFAULT = switch(
    "merge-by-default",
    "A change made from an older version is merged when the caller does not say what is to become of it.",
    owner="records",
    declared=date(2026, 11, 25),
    default=False,
)

FLAGS: tuple[Declaration, ...] = (REPLICA_READS, LEGACY_GRAPHQL, MERGE_BY_DEFAULT)
