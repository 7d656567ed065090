"""WebAuthn: what browsers are asked for, and whether what they send was signed for it. Nothing is decided or stored here."""

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from keepwell.domains.factors.models import Passkey, Ticket
from keepwell.domains.factors.service.tickets import Tickets
from keepwell.kit.ids import NIL

_LARGEST = 20_000


class Signed(msgspec.Struct, frozen=True):
    """What a genuine assertion says."""

    passkey: UUID
    sign_count: int


class Made(msgspec.Struct, frozen=True):
    """What a genuine attestation says."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class Passkeys:
    """The relying party: the host of the address at which people know this server, and pages of no other origin."""

    def __init__(self, tickets: Tickets, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._tickets = tickets
        self._rp_id = parts.hostname or "localhost"
        self._origin = f"{parts.scheme}://{parts.netloc}"

    def creation(self, ticket: Ticket, name: str, display_name: str, there: Iterable[Passkey]) -> dict[str, Any]:
        """The options of `navigator.credentials.create()` for a passkey that can also log in by itself."""
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name="Keepwell",
            user_id=handle(ticket.tenant, ticket.user),
            user_name=name,
            user_display_name=display_name,
            challenge=self._tickets.sealed(ticket),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in there],
        )
        return msgspec.json.decode(webauthn.options_to_json(options))

    def request(self, ticket: Ticket) -> dict[str, Any]:
        """The options of `navigator.credentials.get()`. They name no credential, so that they tell nobody who has which."""
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=self._tickets.sealed(ticket),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return msgspec.json.decode(webauthn.options_to_json(options))

    def made(self, ticket: Ticket, credential: Mapping[str, Any]) -> Made | None:
        """The credential that a browser made for a ticket; None when it did not."""
        try:
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=self._tickets.sealed(ticket),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, LookupError):
            return None
        return Made(verified.credential_id, verified.credential_public_key, verified.sign_count)

    def signed(self, ticket: Ticket, credential: Mapping[str, Any], passkeys: Iterable[Passkey]) -> Signed | None:
        """Which of a person's passkeys signed the ticket; None when none did. Counting backwards is not judged here."""
        wanted = decoded(credential.get("rawId", credential.get("id")))
        passkey = next((each for each in passkeys if each.credential_id == wanted), None)
        if passkey is None:
            return None
        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=self._tickets.sealed(ticket),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, LookupError):
            return None
        return Signed(passkey.id, verified.new_sign_count)


def handle(tenant: UUID, user: UUID) -> bytes:
    """What an authenticator keeps of whose passkey it is: ids, and nothing else."""
    return tenant.bytes + user.bytes


def holder(credential: Mapping[str, Any]) -> tuple[UUID, UUID]:
    """Clinic and person that an assertion claims to be of; nobody where it does not say."""
    response = credential.get("response")
    raw = decoded(response.get("userHandle")) if isinstance(response, Mapping) else b""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return (UUID(bytes=raw[:16]), UUID(bytes=raw[16:])) if len(raw) == 32 else (NIL, NIL)


def challenge_in(credential: Mapping[str, Any]) -> bytes:
    """The challenge that an authenticator was given, as the browser tells it: signed with the rest."""
    response = credential.get("response")
    raw = decoded(response.get("clientDataJSON")) if isinstance(response, Mapping) else b""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    try:
        return decoded(msgspec.json.decode(raw, type=_ClientData).challenge)
    except msgspec.DecodeError:
        return b""


class _ClientData(msgspec.Struct):
    challenge: str


def decoded(text: object) -> bytes:
    """What stands in base64url; nothing when it does not."""
    if not isinstance(text, str) or len(text) > _LARGEST or not text.isascii():
        return b""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return b""
