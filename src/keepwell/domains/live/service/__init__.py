"""Live rooms at work: all of a process, one of them, one connection in it, and what is said between processes."""

from keepwell.domains.live.service.hub import LiveService
from keepwell.domains.live.service.member import Member
from keepwell.domains.live.service.room import Room

__all__ = ["LiveService", "Member", "Room"]
