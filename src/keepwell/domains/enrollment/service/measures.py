"""What is measured of enrollment. Of rows, those that count; a dry run's are told apart."""

from prometheus_client import Counter, Gauge

ROWS = Counter("keepwell_enrollment_rows", "Rows that something came of", ["outcome", "dry_run"])
RETRIES = Counter("keepwell_enrollment_retries", "Parts of batches that were tried again")
BATCHES = Counter("keepwell_enrollment_batches", "Batches that ended", ["status"])
RUNNING = Gauge("keepwell_enrollment_running", "Batches this process is running")
WAITING = Gauge("keepwell_enrollment_runnable", "Batches of all clinics that somebody has to work on, as this process saw last")
STALLED = Gauge("keepwell_enrollment_stalled", "Batches that should move and do not, as this process saw last")
