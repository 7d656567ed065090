"""Who is to be reminded: enrolled in a program that closes soon, and has not answered. Nothing is sent to anybody yet."""

from keepwell.domains.reminders.service import ReminderService

__all__ = ["ReminderService"]
