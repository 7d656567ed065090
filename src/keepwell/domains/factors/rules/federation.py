"""Whose word a clinic takes, and for whom."""

from keepwell.domains.factors.models import (
    FederatedIdentity,
    FederatedIdentityView,
    IdentityLinked,
    LinkIdentity,
    OidcProvider,
    OidcProviderSet,
    OidcProviderView,
    SetOidcProvider,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot


def decide_provider(state: OidcProvider | None, command: SetOidcProvider, _context: Context) -> Decision:
    """The whole is replaced; setting what is set changes nothing."""
    provider = OidcProvider(command.issuer, command.client_id, command.client_secret)
    return () if state == provider else (OidcProviderSet(command.issuer, command.client_id, command.client_secret),)


def evolve_provider(_state: OidcProvider | None, event: OidcProviderSet) -> OidcProvider:
    """The provider after one event."""
    return OidcProvider(event.issuer, event.client_id, event.client_secret)


def view_provider(snapshot: Snapshot) -> OidcProviderView:
    """The provider as administrators see it."""
    state: OidcProvider = snapshot.state
    return OidcProviderView(state.issuer, state.client_id, snapshot.version)


def decide_link(_state: FederatedIdentity | None, command: LinkIdentity, context: Context) -> Decision:
    """Once and for all."""
    return (IdentityLinked(command.user, command.issuer, command.subject, context.now),)


def evolve_identity(_state: FederatedIdentity | None, event: IdentityLinked) -> FederatedIdentity:
    """The identity after one event."""
    return FederatedIdentity(event.user, event.issuer, event.subject, event.at)


def view_identity(snapshot: Snapshot) -> FederatedIdentityView:
    """Whose it is."""
    state: FederatedIdentity = snapshot.state
    return FederatedIdentityView(state.user)
