"""Second factors of people and what clinics ask for: states, commands, events, and what callers see of them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.domains.identity import Method, Role
from keepwell.kernel.envelope import Command

Second = Literal["totp", "recovery-code", "passkey"]
First = Literal["password", "passkey", "magic-link", "oidc"]
Verdict = Literal[
    "accepted",
    "wrong-code",
    "code-used",
    "code-too-many-failures",
    "wrong-recovery-code",
    "no-such-factor",
    "unknown-passkey",
]

# -- what a person has ------------------------------------------------------------------------------------------------


class Totp(msgspec.Struct, frozen=True):
    """An authenticator app. Codes of steps up to `last_step` are used up."""

    secret: bytes
    confirmed_at: datetime
    last_step: int


class Passkey(msgspec.Struct, frozen=True):
    """A WebAuthn credential. `sign_count` is the newest its authenticator told; `regressions` how often it told an older one."""

    id: UUID
    credential_id: bytes
    public_key: bytes
    name: str
    created_at: datetime
    sign_count: int = 0
    last_used_at: datetime | None = None
    regressions: int = 0


class Tries(msgspec.Struct, frozen=True):
    """What became of one ticket: how often something was presented with it, and whether it is used up. Forgotten at `until`."""

    ticket: UUID
    until: datetime
    count: int = 0
    spent: bool = False


class Answered(msgspec.Struct, frozen=True):
    """What came of the latest thing presented."""

    ticket: UUID
    method: Second
    verdict: Verdict


class Factors(msgspec.Struct, frozen=True):
    """All that one person proves who they are with, besides a password. `offered` is the secret of an app not yet confirmed.

    `failures` counts wrong codes since a right one. `recovery` holds keyed digests of the codes that are left.
    """

    totp: Totp | None = None
    offered: bytes | None = None
    recovery: tuple[bytes, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    tries: tuple[Tries, ...] = ()
    failures: int = 0
    failed_at: datetime | None = None
    answered: Answered | None = None


class OfferTotp(Command, frozen=True):
    """Begins with an app: `secret` is a fresh one."""

    secret: bytes


class ConfirmTotp(Command, frozen=True):
    """Proves that the app has the secret offered."""

    code: str


class RemoveTotp(Command, frozen=True):
    """Takes the app away."""


class SetRecoveryCodes(Command, frozen=True):
    """Puts fresh codes, as keyed digests, in the place of those that are left."""

    digests: tuple[bytes, ...]


class AddPasskey(Command, frozen=True):
    """Adds a credential that was verified against `ticket`, which is used up by it."""

    passkey: UUID
    credential_id: bytes
    public_key: bytes
    name: str
    sign_count: int
    ticket: UUID
    until: datetime


class RemovePasskey(Command, frozen=True):
    """Takes a passkey away."""

    passkey: UUID


class ResetFactors(Command, frozen=True):
    """Takes everything away: for somebody who lost it all."""


class Present(Command, frozen=True):
    """Presents something with a ticket: a code, the digest of a recovery code, or a passkey whose signature was verified."""

    ticket: UUID
    until: datetime
    method: Second
    code: str = ""
    digest: bytes = b""
    passkey: UUID | None = None
    sign_count: int = 0
    enrolling: bool = False


class SpendTicket(Command, frozen=True):
    """Uses a ticket up that by itself proves something, such as a magic link."""

    ticket: UUID
    until: datetime


class TotpOffered(msgspec.Struct, frozen=True, tag="totp-offered"):
    """A secret was shown for an app."""

    secret: bytes


class TotpConfirmed(msgspec.Struct, frozen=True, tag="totp-confirmed"):
    """The app with the secret offered is the person's from now on."""

    step: int
    at: datetime


class TotpRemoved(msgspec.Struct, frozen=True, tag="totp-removed"):
    """The person has no app any more."""


class RecoveryCodesSet(msgspec.Struct, frozen=True, tag="recovery-codes-set"):
    """Fresh codes were shown."""

    digests: tuple[bytes, ...]


class PasskeyAdded(msgspec.Struct, frozen=True, tag="passkey-added"):
    """The person has one more passkey."""

    passkey: Passkey


class PasskeyRemoved(msgspec.Struct, frozen=True, tag="passkey-removed"):
    """The person has one passkey less."""

    passkey: UUID


class FactorsReset(msgspec.Struct, frozen=True, tag="factors-reset"):
    """The person has no factor any more."""


class TotpAccepted(msgspec.Struct, frozen=True, tag="totp-accepted"):
    """A code was right. Codes up to this step are used up."""

    step: int


class RecoveryCodeUsed(msgspec.Struct, frozen=True, tag="recovery-code-used"):
    """One of the codes was right, and is gone."""

    digest: bytes


class PasskeyUsed(msgspec.Struct, frozen=True, tag="passkey-used"):
    """A passkey signed. `regressed`: it counted less than before, as a copy would."""

    passkey: UUID
    sign_count: int
    at: datetime
    regressed: bool = False


class Presented(msgspec.Struct, frozen=True, tag="factor-presented"):
    """Something was presented with a ticket, which serves for no more than a few; one that was accepted uses it up."""

    ticket: UUID
    until: datetime
    method: Second
    verdict: Verdict
    at: datetime


class TicketSpent(msgspec.Struct, frozen=True, tag="ticket-spent"):
    """A ticket was used up."""

    ticket: UUID
    until: datetime
    at: datetime


FactorsEvent = (
    TotpOffered
    | TotpConfirmed
    | TotpRemoved
    | RecoveryCodesSet
    | PasskeyAdded
    | PasskeyRemoved
    | FactorsReset
    | TotpAccepted
    | RecoveryCodeUsed
    | PasskeyUsed
    | Presented
    | TicketSpent
)


class PasskeyView(msgspec.Struct, frozen=True):
    """A passkey as its owner sees it."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


class FactorsView(msgspec.Struct, frozen=True):
    """What somebody has, without anything that could be presented. `answered` is for whoever presented something."""

    id: UUID
    totp: bool
    recovery_codes_left: int
    passkeys: list[PasskeyView]
    version: int
    answered: Answered | None = None


# -- what a clinic asks for -------------------------------------------------------------------------------------------


class LoginPolicy(msgspec.Struct, frozen=True):
    """How people of a clinic may begin to log in, and the roles of which a second factor is required."""

    allowed: tuple[First, ...] = ("password", "passkey", "magic-link", "oidc")
    required_for: tuple[Role, ...] = ()


class SetLoginPolicy(Command, frozen=True):
    """Says from now on how people log in."""

    allowed: tuple[First, ...]
    required_for: tuple[Role, ...]


class LoginPolicySet(msgspec.Struct, frozen=True, tag="login-policy-set"):
    """The clinic decided how its people log in."""

    allowed: tuple[First, ...]
    required_for: tuple[Role, ...]


class LoginPolicyView(msgspec.Struct, frozen=True):
    """A clinic's policy. Version 0: nothing was decided yet, and this is what holds."""

    allowed: list[First]
    second_factor_required_for: list[Role]
    version: int


# -- other people's word for it ---------------------------------------------------------------------------------------


class OidcProvider(msgspec.Struct, frozen=True):
    """The OpenID Connect provider of a clinic, and how this server is known there."""

    issuer: str
    client_id: str
    client_secret: str


class SetOidcProvider(Command, frozen=True):
    """Says whose word a clinic takes from now on."""

    issuer: str
    client_id: str
    client_secret: str


class OidcProviderSet(msgspec.Struct, frozen=True, tag="oidc-provider-set"):
    """The clinic takes this provider's word."""

    issuer: str
    client_id: str
    client_secret: str


class OidcProviderView(msgspec.Struct, frozen=True):
    """A provider without the secret."""

    issuer: str
    client_id: str
    version: int


class FederatedIdentity(msgspec.Struct, frozen=True):
    """Somebody a provider knows, as one person of the clinic. Its id follows from clinic, issuer and subject."""

    user: UUID
    issuer: str
    subject: str
    linked_at: datetime


class LinkIdentity(Command, frozen=True):
    """From now on this subject is this person."""

    user: UUID
    issuer: str
    subject: str


class IdentityLinked(msgspec.Struct, frozen=True, tag="identity-linked"):
    """A subject became a person's, by an address that the provider had verified."""

    user: UUID
    issuer: str
    subject: str
    at: datetime


class FederatedIdentityView(msgspec.Struct, frozen=True):
    """Whose it is."""

    user: UUID


# -- what callers carry -----------------------------------------------------------------------------------------------

Purpose = Literal["login", "enrol", "passkey-login", "passkey-new", "step-up", "magic-link", "oidc"]


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a caller carries for us between two requests, signed. Each is good for one purpose, until an instant in seconds.

    `browser` is a digest of what the browser that asked holds as a cookie; empty: any may come.
    """

    id: UUID
    purpose: Purpose
    tenant: UUID
    user: UUID
    until: int
    password_set_at: datetime | None = None
    methods: tuple[Method, ...] = ()
    browser: bytes = b""
