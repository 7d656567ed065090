"""The queue of jobs as people see it: what lies there of a clinic, what failed for good and is tried again, who is told of it."""

from keepwell.domains.queue.service import QueueService

__all__ = ["QueueService"]
