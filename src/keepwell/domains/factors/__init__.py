"""How people prove who they are besides by a password: second factors, passkeys, links by mail; and what clinics ask for."""

from keepwell.domains.factors.models import (
    AddPasskey,
    ConfirmTotp,
    Factors,
    FactorsEvent,
    FederatedIdentity,
    IdentityLinked,
    LinkIdentity,
    LoginPolicy,
    LoginPolicySet,
    OfferTotp,
    OidcProvider,
    OidcProviderSet,
    Present,
    RemovePasskey,
    RemoveTotp,
    ResetFactors,
    SetLoginPolicy,
    SetOidcProvider,
    SetRecoveryCodes,
    SpendTicket,
)
from keepwell.domains.factors.rules import federation, lifecycle, policies
from keepwell.domains.factors.service import FactorGate, FactorService, FactorSettings
from keepwell.domains.factors.store import FACTORS, POLICIES
from keepwell.kernel import Aggregate, Command, CommandType, Permission

_UPDATE = Permission("Factor", "u")


def _always(_command: Command) -> bool:
    return True


def _own(name: str, command: type[Command], decide: lifecycle.Decide, *, begins: bool = False) -> CommandType:
    """A change that people make to what they have themselves, a short while after they proved who they are."""
    guard = lifecycle.guard_own
    return CommandType(name, command, _UPDATE, decide, guard=guard, begins=begins, guarded=False, sensitive=_always)


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind="factors",
        resource="Factor",
        state=Factors,
        event=FactorsEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        commands=(
            _own("factors.offer-totp", OfferTotp, lifecycle.decide_offer, begins=True),
            _own("factors.confirm-totp", ConfirmTotp, lifecycle.decide_confirm),
            _own("factors.remove-totp", RemoveTotp, lifecycle.decide_remove_totp),
            _own("factors.set-recovery-codes", SetRecoveryCodes, lifecycle.decide_recovery),
            _own("factors.add-passkey", AddPasskey, lifecycle.decide_add_passkey, begins=True),
            _own("factors.remove-passkey", RemovePasskey, lifecycle.decide_remove_passkey),
            CommandType(
                "factors.reset",
                ResetFactors,
                Permission("Factor", "d"),
                lifecycle.decide_reset,
                guard=lifecycle.guard_reset,
                guarded=False,
                sensitive=_always,
            ),
            CommandType(
                "factors.present",
                Present,
                _UPDATE,
                lifecycle.decide_present,
                guard=lifecycle.guard_own,
                begins=True,
                guarded=False,
            ),
            CommandType(
                "factors.spend-ticket",
                SpendTicket,
                _UPDATE,
                lifecycle.decide_spend,
                guard=lifecycle.guard_own,
                begins=True,
                guarded=False,
            ),
        ),
        lookup=FACTORS,
    ),
    Aggregate(
        kind="login-policy",
        resource="LoginPolicy",
        state=LoginPolicy,
        event=LoginPolicySet,
        evolve=policies.evolve,
        view=policies.view,
        commands=(
            CommandType(
                "login-policy.set",
                SetLoginPolicy,
                Permission("LoginPolicy", "u"),
                policies.decide,
                begins=True,
                sensitive=_always,
            ),
        ),
        lookup=POLICIES,
    ),
    Aggregate(
        kind="oidc-provider",
        resource="LoginPolicy",
        state=OidcProvider,
        event=OidcProviderSet,
        evolve=federation.evolve_provider,
        view=federation.view_provider,
        commands=(
            CommandType(
                "oidc-provider.set",
                SetOidcProvider,
                Permission("LoginPolicy", "u"),
                federation.decide_provider,
                begins=True,
                sensitive=_always,
            ),
        ),
    ),
    Aggregate(
        kind="federated-identity",
        resource="FederatedIdentity",
        state=FederatedIdentity,
        event=IdentityLinked,
        evolve=federation.evolve_identity,
        view=federation.view_identity,
        commands=(
            CommandType(
                "federated-identity.link",
                LinkIdentity,
                Permission("FederatedIdentity", "c"),
                federation.decide_link,
                creates=True,
                guarded=False,
            ),
        ),
    ),
)
"""Kind `factors`: under the id of the person. Kinds `login-policy` and `oidc-provider`: under that of the clinic."""

__all__ = ["AGGREGATES", "FactorGate", "FactorService", "FactorSettings"]
