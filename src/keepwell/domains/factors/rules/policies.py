"""What a clinic asks for at login."""

from keepwell.domains.factors.errors import INVALID_POLICY
from keepwell.domains.factors.models import LoginPolicy, LoginPolicySet, LoginPolicyView, SetLoginPolicy
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal


def decide(state: LoginPolicy | None, command: SetLoginPolicy, _context: Context) -> Decision:
    """Some way in stays open that needs nothing prepared."""
    if "password" not in command.allowed and "magic-link" not in command.allowed and "oidc" not in command.allowed:
        fault = Fault("/allowed", "no-way-in", "Allow password, magic-link or oidc: a passkey is set up by who is logged in.")
        return Refusal(INVALID_POLICY, faults=(fault,))
    allowed, required = tuple(dict.fromkeys(command.allowed)), tuple(dict.fromkeys(command.required_for))
    return () if state == LoginPolicy(allowed, required) else (LoginPolicySet(allowed, required),)


def evolve(_state: LoginPolicy | None, event: LoginPolicySet) -> LoginPolicy:
    """The policy after one event."""
    return LoginPolicy(event.allowed, event.required_for)


def view(snapshot: Snapshot) -> LoginPolicyView:
    """The policy as administrators see it."""
    state: LoginPolicy = snapshot.state
    return LoginPolicyView(list(state.allowed), list(state.required_for), snapshot.version)
