"""What the document shows of this room's routes: somebody with an app and a passkey, and a clinic that asks for them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from keepwell.domains.factors.errors import INVALID_POLICY, NO_FACTOR, SECOND_FACTOR_DELAYED
from keepwell.domains.factors.models import LoginPolicyView, OidcProviderView, PasskeyView
from keepwell.domains.factors.routes.bodies import (
    CodeShown,
    Enrolment,
    LinkAsked,
    LinkFollowed,
    LinkRedeemed,
    LinkSent,
    NewPasskey,
    OwnFactorsShown,
    PasskeyRequest,
    PasskeyShown,
    PolicySetting,
    ProviderSetting,
    RecoveryCodes,
    SecondFactorShown,
    StepUp,
)
from keepwell.domains.factors.service import PasskeyOptions, TotpOffer
from keepwell.domains.identity import LOGIN_METHOD_NOT_ALLOWED, SECOND_FACTOR_REQUIRED, Entered, LoggedIn, Person
from keepwell.domains.tenants import Clinic
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

CHALLENGE = "kwt_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACYxBA"
CODE = "287082"
ASSERTION: dict[str, Any] = {"id": "c2lnbmVk", "rawId": "c2lnbmVk", "type": "public-key", "response": {"signature": "MEUCIQ"}}
ATTESTATION: dict[str, Any] = {
    "id": "bWFkZQ",
    "rawId": "bWFkZQ",
    "type": "public-key",
    "response": {"attestationObject": "o2NmbXQ"},
}
_OFFER = TotpOffer("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "otpauth://totp/Keepwell:me?secret=GEZDGNBVGY3TQOJQ&issuer=Keepwell")
_REQUEST: dict[str, Any] = {"challenge": "AAECAw", "rpId": "clinic.example", "userVerification": "required"}
_PASSKEY = PasskeyView(
    UUID("01994fa2-0d51-7b0c-9a55-3c1a7e0f6d21"), "Phone", datetime(2026, 9, 15, 8, 0, tzinfo=UTC), last_used_at=None
)
_PERSON = Person(UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"), "clinician@demo.test", "Cleo Clinician", "clinician")
_LOGGED_IN = LoggedIn(
    access_token="eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJrZWVwd2VsbCJ9.c2lnbmF0dXJl",  # noqa: S106 - nobody's
    expires_in=585,
    refresh_token="kwr_AQGZTzxSqn4hnBsvaxp9ThABmU98DDF6kLfeXS-OmkwiAZlPPFsHfGaPDZHSoMaz9AAAAAA",  # noqa: S106 - nobody's
    session_id=UUID("01994f7e-0c31-7a90-b7de-5d2f8e9a4c22"),
    clinic=Clinic(UUID("01994f3c-52aa-7e21-9c1b-2f6b1a7d4e10"), "demo", "Demo Clinic"),
    user=_PERSON,
)
_ASKED = Refusal(SECOND_FACTOR_REQUIRED, extra={"methods": ["totp", "recovery-code"]})
_SLOWED = Refusal(SECOND_FACTOR_DELAYED, retry_after=8)
_ELSEWISE = Refusal(LOGIN_METHOD_NOT_ALLOWED, extra={"methods": ["password"]})

SECOND = Example(SecondFactorShown(CHALLENGE, "totp", CODE), _LOGGED_IN, (_SLOWED,))
ENROLMENT = Example(Enrolment(CHALLENGE), _OFFER)
PASSKEY_OPTIONS = Example(answer=PasskeyRequest(_REQUEST))
PASSKEY = Example(PasskeyShown(ASSERTION), _LOGGED_IN, (_ELSEWISE,))
OWN = Example(answer=OwnFactorsShown(totp=True, recovery_codes_left=10, passkeys=[_PASSKEY]))
OFFER = Example(answer=_OFFER)
CONFIRM = Example(CodeShown(CODE), OwnFactorsShown(totp=True, recovery_codes_left=0, passkeys=[]))
RECOVERY = Example(answer=RecoveryCodes(["mzxw-6ytb-oi4d-cmrt"]), problems=(Refusal(NO_FACTOR),))
NEW_OPTIONS = Example(answer=PasskeyOptions(CHALLENGE, {**_REQUEST, "user": {"name": "clinician@demo.test"}}))
ADD_PASSKEY = Example(
    NewPasskey(CHALLENGE, "Phone", ATTESTATION), OwnFactorsShown(totp=True, recovery_codes_left=10, passkeys=[_PASSKEY])
)
STEP_UP_OPTIONS = Example(answer=PasskeyOptions(CHALLENGE, _REQUEST))
STEP_UP = Example(StepUp("keepwell-demo-pass"), problems=(_ASKED, _SLOWED))
ASK_LINK = Example(LinkAsked("clinician@demo.test"), LinkSent(900))
REDEEM_LINK = Example(LinkRedeemed(CHALLENGE), _LOGGED_IN)
POST_LINK = Example(
    LinkFollowed(CHALLENGE),
    Entered(expires_in=3600, session_id=_LOGGED_IN.session_id, clinic=_LOGGED_IN.clinic, user=_PERSON),
)
LINK_PAGE = Example(answer="<!doctype html>...")
POLICY = Example(answer=LoginPolicyView(["password", "passkey", "magic-link", "oidc"], [], 0))
SET_POLICY = Example(
    PolicySetting(["password", "passkey"], ["admin"]),
    LoginPolicyView(["password", "passkey"], ["admin"], 1),
    (Refusal(INVALID_POLICY, faults=(Fault("/allowed", "no-way-in", "Allow password, magic-link or oidc."),)),),
)
_PROVIDER = OidcProviderView("https://login.clinic.example", "keepwell", 1)
PROVIDER = Example(answer=_PROVIDER)
SET_PROVIDER = Example(ProviderSetting(_PROVIDER.issuer, _PROVIDER.client_id, "from the provider"), _PROVIDER)
CALLBACK = Example(answer=_LOGGED_IN)
