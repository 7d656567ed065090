"""How people prove who they are besides by a password: second factors, passkeys, links by mail; and what clinics ask for."""

from keepwell.domains.factors.models import (
    AddPasskey,
    ConfirmTotp,
    Factors,
    FactorsEvent,
    LoginPolicy,
    LoginPolicySet,
    OfferTotp,
    Present,
    RemovePasskey,
    RemoveTotp,
    ResetFactors,
    SetLoginPolicy,
    SetRecoveryCodes,
    SpendTicket,
)
from keepwell.domains.factors.rules import lifecycle, policies
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
)
"""Kind `factors`: under the id of the person. Kind `login-policy`: under the id of the clinic."""

__all__ = ["AGGREGATES", "FactorGate", "FactorService", "FactorSettings"]
