"""Adapters to the outside: PostgreSQL, Valkey, logs and metrics, settings. Knows nothing of what is kept."""
