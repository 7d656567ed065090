"""What callers send to the HTTP door of factors, and what they get."""

from typing import Annotated, Any

import msgspec

from keepwell.domains.factors.models import First, PasskeyView, Second
from keepwell.domains.identity import Role

SMALL = 32_000
"""Bytes that a body of this room may have."""

Short = Annotated[str, msgspec.Meta(max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]


class SecondFactorShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second factor, with the challenge of the login it completes: a `code`, or what a passkey signed. `cookies` as there."""

    challenge: Text
    method: Second
    code: Short = ""
    credential: dict[str, Any] = {}
    cookies: bool = False


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The challenge of a login that asks for a factor to be set up."""

    challenge: Text


class PasskeyShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a passkey signed, as `PublicKeyCredential.toJSON()` has it. `cookies` as in a login."""

    credential: dict[str, Any]
    cookies: bool = False


class CodeShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of an authenticator app."""

    code: Short


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser made for the options that came with the challenge, and what its owner calls it."""

    challenge: Text
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    credential: dict[str, Any]


class StepUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A password, or a `method` with its `code` or its `credential`, the latter with the challenge it was signed for.

    With a password, `challenge` is the solution of a puzzle, where one is asked for.
    """

    password: str | None = None
    method: Second | None = None
    code: Short = ""
    credential: dict[str, Any] = {}
    challenge: Text | None = None


class LinkAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to send a link to log in; `clinic` as at a login by password."""

    email: Annotated[str, msgspec.Meta(max_length=1000)]
    clinic: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class LinkSent(msgspec.Struct, frozen=True):
    """The same whether there is such an account or not. `expires_in` is in seconds."""

    expires_in: int


class LinkFollowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the link carried."""

    token: Text


class LinkRedeemed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the link carried. `cookies` as in a login."""

    token: Text
    cookies: bool = False


class CameBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider adds to the address it sends a browser back to."""

    state: Text = ""
    code: Text | None = None
    error: Text | None = None
    error_description: Text | None = None
    error_uri: Text | None = None
    iss: Text | None = None
    session_state: Text | None = None
    scope: Text | None = None


class ProviderSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider by its issuer, and how this server is registered there, with the redirect address `/v1/auth/oidc/callback`."""

    issuer: Text
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    client_secret: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class PolicySetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people of the clinic begin to log in, and the roles of which a second factor is required."""

    allowed: list[First]
    second_factor_required_for: list[Role]


class PasskeyRequest(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get()` takes as `publicKey`, in the JSON form of WebAuthn Level 3."""

    options: dict[str, Any]


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Each serves once. They are not shown again."""

    codes: list[str]


class OwnFactorsShown(msgspec.Struct, frozen=True):
    """What somebody can prove with who they are."""

    totp: bool
    recovery_codes_left: int
    passkeys: list[PasskeyView]
