"""OpenID Connect: authorization code with PKCE, at the provider a clinic named. It makes no accounts.

What has to come back (nonce, code verifier) follows from the ticket that is the `state`, so nothing is stored meanwhile.
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, OIDC_REFUSED, OIDC_UNREACHABLE
from keepwell.domains.factors.models import FederatedIdentity, LinkIdentity, OidcProvider, Ticket
from keepwell.domains.factors.service.gate import CHALLENGE_SECONDS
from keepwell.domains.factors.service.logins import attribute, recorded
from keepwell.domains.factors.service.presenting import Presenter
from keepwell.domains.factors.service.tickets import Tickets
from keepwell.domains.identity import INVALID_CREDENTIALS, Attempt, IdentityService, LoggedIn, Proven, Reason
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Envelope, Kernel, Origin, Permission, Read, Refusal, Refused
from keepwell.kernel.problems import CONFLICT, NOT_FOUND
from keepwell.kit.ids import NIL, keyed_id, new_id
from keepwell.kit.time import Clock
from keepwell.platform.fetching import Fetcher, UnreachableError

CALLBACK = "/v1/auth/oidc/callback"
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
_FRESH_SECONDS = 600
_MOST_KEPT = 200
_SKEW_SECONDS = 60


class _Discovery(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    email: str | None = None
    email_verified: bool = False
    azp: str | None = None


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str | None = None


class _UserInfo(msgspec.Struct, frozen=True):
    sub: str
    email: str | None = None
    email_verified: bool = False


class Providers:
    """What providers publish about themselves, kept for some minutes."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    async def discovery(self, issuer: str) -> _Discovery:
        """Where a provider's parts are. Raises `UnreachableError`, also when what is there is another's."""
        found = await self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            discovery = msgspec.convert(found, _Discovery)
        except msgspec.ValidationError as error:
            raise UnreachableError from error
        if discovery.issuer != issuer or not self._fetcher.allowed(discovery.authorization_endpoint):
            raise UnreachableError
        return discovery

    async def claims(self, discovery: _Discovery, token: str) -> Mapping[str, Any]:
        """What a token says that this provider signed; its keys are fetched again once when they are not known.

        Raises:
            JoseError: it did not sign it.
            UnreachableError: its keys cannot be had.
        """
        try:
            return self._decoded(await self._document(discovery.jwks_uri), token)
        except (InvalidKeyIdError, ValueError):
            self._kept.pop(discovery.jwks_uri, None)
            return self._decoded(await self._document(discovery.jwks_uri), token)

    async def _document(self, url: str) -> Any:
        now = self._clock.now().timestamp()
        kept = self._kept.get(url)
        if kept is not None and kept[0] > now:
            return kept[1]
        document = await self._fetcher.json(url)
        self._kept[url] = (now + _FRESH_SECONDS, document)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return document

    def _decoded(self, keys: Any, token: str) -> Mapping[str, Any]:
        return jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims


class Begun(msgspec.Struct, frozen=True):
    """Where to send a browser, and what it has to remember."""

    location: str
    browser: str


class Oidc:
    """Logging in by a provider's word."""

    def __init__(
        self,
        kernel: Kernel,
        identity: IdentityService,
        tickets: Tickets,
        presenter: Presenter,
        public_url: str,
        fetcher: Fetcher,
    ) -> None:
        self._kernel = kernel
        self._identity = identity
        self._tenants: TenantService = identity.tenants
        self._tickets = tickets
        self._presenter = presenter
        self._key = partial(kernel.ring.derive, "keepwell oidc v1")
        self._redirect = public_url + CALLBACK
        self.fetcher = fetcher
        self._providers = Providers(fetcher, kernel.clock)

    async def begin(self, slug: str, origin: Origin) -> Begun:
        """Sends a browser to the clinic's provider.

        Raises:
            Refused: `not-found`: there is no such clinic or it has no provider; `oidc-unreachable`.
        """
        clinic = await self._tenants.find(slug, origin)
        provider = None if clinic is None else await self._provider(clinic.id, origin)
        if clinic is None or provider is None:
            raise Refused(Refusal(NOT_FOUND))
        try:
            discovery = await self._providers.discovery(provider.issuer)
        except UnreachableError:
            attempt = Attempt(self._kernel, origin, "login")
            attempt.tenant = clinic.id
            raise await _refused(attempt, "provider-unreachable", Refusal(OIDC_UNREACHABLE, retry_after=5)) from None
        browser, until = token_urlsafe(16), self._tickets.until(CHALLENGE_SECONDS)
        ticket = Ticket(new_id(), "oidc", clinic.id, NIL, until, browser=_mark(browser))
        challenge = hashlib.sha256(self._secret(ticket, "verifier").encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._redirect,
            "scope": "openid email",
            "state": self._tickets.issue(ticket),
            "nonce": self._secret(ticket, "nonce"),
            "code_challenge": _text(challenge),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in discovery.authorization_endpoint else "?"
        return Begun(f"{discovery.authorization_endpoint}{joint}{urlencode(asked)}", browser)

    async def complete(self, state: str, code: str | None, browser: str | None, origin: Origin) -> LoggedIn:
        """A session for who comes back from the provider, in the browser that was sent there.

        Raises:
            Refused: `challenge-expired`, `oidc-refused`, `oidc-unreachable`, `invalid-credentials`; what else is asked for; the
                database is out of reach.
        """
        attempt = Attempt(self._kernel, origin, "login")
        ticket = await self._ticket(attempt, state, browser)
        provider = await self._provider(ticket.tenant, origin)
        if provider is None or code is None:
            raise await _refused(attempt, "provider-refused", Refusal(OIDC_REFUSED))
        claims = await self._claims(attempt, ticket, provider, code)
        user = await self._person(attempt, ticket.tenant, claims, origin)
        attempt.user = user
        spent = msgspec.structs.replace(ticket, user=user)
        await recorded(attempt, self._presenter.spend(attempt, "oidc", spent, origin))
        return await self._identity.logins.resume(Proven(ticket.tenant, user, None, ("oidc",)), attempt, origin)

    async def _ticket(self, attempt: Attempt, state: str, browser: str | None) -> Ticket:
        try:
            ticket = self._tickets.read(state, "oidc")
        except Refused as refused:
            attribute(attempt, refused)
            raise await _refused(attempt, "challenge-expired", refused.refusal) from None
        attempt.tenant = ticket.tenant
        if browser is None or not compare_digest(_mark(browser), ticket.browser):
            raise await _refused(attempt, "other-browser", Refusal(CHALLENGE_EXPIRED, "Come back in the browser that began."))
        return ticket

    async def _claims(self, attempt: Attempt, ticket: Ticket, provider: OidcProvider, code: str) -> _Claims:
        try:
            with attempt.step("oidc"):
                discovery = await self._providers.discovery(provider.issuer)
                tokens = await self._exchanged(discovery, provider, code, self._secret(ticket, "verifier"))
                claims = msgspec.convert(await self._providers.claims(discovery, tokens.id_token), _Claims)
                claims = await self._with_email(discovery, tokens, claims)
        except UnreachableError:
            raise await _refused(attempt, "provider-unreachable", Refusal(OIDC_UNREACHABLE, retry_after=5)) from None
        except (JoseError, ValueError, TypeError, RecursionError):
            raise await _refused(attempt, "bad-id-token", Refusal(OIDC_REFUSED)) from None
        if not self._acceptable(claims, provider, self._secret(ticket, "nonce")):
            raise await _refused(attempt, "bad-id-token", Refusal(OIDC_REFUSED))
        return claims

    async def _with_email(self, discovery: _Discovery, tokens: _Tokens, claims: _Claims) -> _Claims:
        """The claims with the address, which some providers tell only at their UserInfo endpoint (Core 1.0, 5.3)."""
        if claims.email is not None or discovery.userinfo_endpoint is None or tokens.access_token is None:
            return claims
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        told = msgspec.convert(await self.fetcher.json(discovery.userinfo_endpoint, headers=headers), _UserInfo)
        if told.sub != claims.sub:
            return claims
        return msgspec.structs.replace(claims, email=told.email, email_verified=told.email_verified)

    def _acceptable(self, claims: _Claims, provider: OidcProvider, nonce: str) -> bool:
        """OpenID Connect Core 1.0, 3.1.3.7."""
        now, audience = self._kernel.clock.now().timestamp(), [claims.aud] if isinstance(claims.aud, str) else claims.aud
        return (
            claims.iss == provider.issuer
            and provider.client_id in audience
            and (claims.azp == provider.client_id or (claims.azp is None and len(audience) == 1))
            and claims.exp > now - _SKEW_SECONDS
            and claims.iat < now + _SKEW_SECONDS
            and compare_digest(claims.nonce.encode(), nonce.encode())
        )

    async def _exchanged(self, discovery: _Discovery, provider: OidcProvider, code: str, verifier: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        basic = b64encode(f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.fetcher.json(discovery.token_endpoint, urlencode(form).encode(), headers)
        return msgspec.convert(answer, _Tokens)

    async def _person(self, attempt: Attempt, tenant: UUID, claims: _Claims, origin: Origin) -> UUID:
        """The person a subject is; the first time, by an address that the provider has verified."""
        id_ = keyed_id(hmac.digest(self._key(), msgspec.json.encode((str(tenant), claims.iss, claims.sub)), hashlib.sha256))
        read = Read("federated-identity", id_, operator(tenant), origin, Permission("FederatedIdentity", "r"), "login.oidc")
        try:
            linked: FederatedIdentity = (await self._kernel.read(read)).state
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND:
                raise
        else:
            return linked.user
        if claims.email is None or not claims.email_verified:
            raise await _refused(attempt, "unverified-email", Refusal(INVALID_CREDENTIALS))
        clinic = await self._identity.logins.clinic(tenant, origin)
        found = None if clinic is None else await self._identity.logins.find(claims.email, clinic.slug, origin)
        if found is None or found.tenant != tenant:
            raise await _refused(attempt, "no-account-in-clinic", Refusal(INVALID_CREDENTIALS))
        command = LinkIdentity(id_, found.user.id, claims.iss, claims.sub)
        [outcome] = await self._kernel.execute([Envelope(command, operator(tenant), origin)])
        if outcome.refusal is not None and outcome.refusal.type != CONFLICT:  # that is: linked a moment ago
            raise Refused(outcome.refusal)
        return found.user.id

    async def _provider(self, tenant: UUID, origin: Origin) -> OidcProvider | None:
        read = Read("oidc-provider", tenant, operator(tenant), origin, Permission("LoginPolicy", "r"), "login.oidc")
        try:
            return (await self._kernel.read(read)).state
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return None
            raise

    def _secret(self, ticket: Ticket, purpose: str) -> str:
        return _text(hmac.digest(self._key(), purpose.encode() + ticket.id.bytes, hashlib.sha256))


async def _refused(attempt: Attempt, reason: Reason, refusal: Refusal) -> Refused:
    await attempt.refused("oidc", reason, kind="oidc-provider")
    return Refused(refusal)


def _mark(browser: str) -> bytes:
    return hashlib.sha256(browser.encode(errors="replace")).digest()[:16]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
