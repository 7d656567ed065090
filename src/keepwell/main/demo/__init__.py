"""Demo data: a clinic with an administrator, a clinician, a patient and three questionnaires. Safe to make again."""

from keepwell.main.demo.clinic import LOGINS, DemoRefusedError, adapted, prepare

__all__ = ["LOGINS", "DemoRefusedError", "adapted", "prepare"]
