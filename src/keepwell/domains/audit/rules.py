"""What an audit item says of an attempt to get in."""

from functools import partial

from keepwell.domains.audit.models import AuditItem, LoginAttempt
from keepwell.kernel import several


def login_attempt(item: AuditItem) -> LoginAttempt:
    """The attempt that an item is about: the first entry of a session, or the record of failures, which is about the account."""
    told = partial(LoginAttempt, at=item.at, door=item.door, request_id=item.request_id)
    if item.command is not None:
        began = partial(told, user=item.actor, session=item.entity.id, tries=1, since=item.at)
        return began(attempt="login", outcome="ok", step=None, reason=None)
    recorded = several(item.action)
    attempt, _, step = recorded.action.partition(".")
    failed = partial(told, user=item.entity.id, session=None, tries=recorded.count, since=item.at - recorded.span)
    return failed(attempt=attempt, outcome="refused", step=step, reason=item.outcome)
