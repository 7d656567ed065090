"""What an audit item says of an attempt to get in."""

from functools import partial

from keepwell.domains.audit.models import AuditItem, LoginAttempt


def login_attempt(item: AuditItem) -> LoginAttempt:
    """The attempt that an item is about: the first entry of a session, or the record of a failure, which is about the account."""
    told = partial(LoginAttempt, at=item.at, door=item.door, request_id=item.request_id)
    if item.command is not None:
        return told(attempt="login", outcome="ok", step=None, reason=None, user=item.actor, session=item.entity.id)
    attempt, _, step = item.action.partition(".")
    return told(attempt=attempt, outcome="refused", step=step, reason=item.outcome, user=item.entity.id, session=None)
