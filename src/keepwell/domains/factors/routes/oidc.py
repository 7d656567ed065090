"""Logging in by the word of a clinic's provider. No answer is compressed: they hold credentials."""

from http.cookies import CookieError, SimpleCookie

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, INVALID_OIDC_PROVIDER, OIDC_REFUSED, OIDC_UNREACHABLE
from keepwell.domains.factors.models import OidcProviderView, SetOidcProvider
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, CameBack, ProviderSetting
from keepwell.domains.factors.service import FactorService
from keepwell.domains.factors.service.gate import CHALLENGE_SECONDS
from keepwell.domains.factors.service.oidc import CALLBACK
from keepwell.domains.identity import (
    INVALID_CREDENTIALS,
    LOGIN_METHOD_NOT_ALLOWED,
    LOGIN_RATE,
    SECOND_FACTOR_REQUIRED,
    LoggedIn,
    entered,
)
from keepwell.kernel import Fault, Refusal, Refused
from keepwell.kernel.http import Answer, Call, Endpoint, answer
from keepwell.kernel.problems import NOT_FOUND, STEP_UP_REQUIRED, UNAUTHENTICATED

_TAG = "Second factors"
_COOKIE = "keepwell_oidc"


class _Oidc:
    def __init__(self, service: FactorService) -> None:
        self._service = service
        self._oidc = service.oidc

    async def start(self, call: Call) -> Answer:
        begun = await self._oidc.begin(call.path["clinic"], call.origin)
        secure = "; Secure" if call.secure else ""
        cookie = f"{_COOKIE}={begun.browser}; Path=/v1/auth/oidc; Max-Age={CHALLENGE_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        return Answer(307, None, {"location": begun.location, "set-cookie": cookie})

    async def back(self, call: Call) -> Answer:
        query: CameBack = call.query
        code = None if query.error else query.code
        logged_in = await self._oidc.complete(query.state, code, _browser(call), call.origin)
        return await entered(self._service.identity, call, logged_in, cookies=False)

    async def show(self, call: Call) -> Answer:
        provider = await self._service.provider(call.actor, call.origin)
        return Answer(200, provider, {"etag": f'"{provider.version}"'})

    async def put(self, call: Call) -> Answer:
        body: ProviderSetting = call.body
        if not self._oidc.fetcher.allowed(body.issuer):
            fault = Fault("/issuer", "issuer-address", "Use an address that begins with https.")
            raise Refused(Refusal(INVALID_OIDC_PROVIDER, faults=(fault,)))
        command = SetOidcProvider(call.actor.tenant, body.issuer, body.client_id, body.client_secret)
        return answer(await call.execute(command))


def _browser(call: Call) -> str | None:
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def endpoints(service: FactorService) -> tuple[Endpoint, ...]:
    """Every route about the provider."""
    oidc = _Oidc(service)
    return (*_logins(oidc), *_settings(oidc))


def _logins(oidc: _Oidc) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/auth/oidc/{clinic}/start",
            oidc.start,
            "Go to the clinic's provider to log in",
            _TAG,
            answers={307: None},
            problems=(OIDC_UNREACHABLE,),
            public=True,
        ),
        Endpoint(
            "GET",
            CALLBACK,
            oidc.back,
            "Come back from the provider, logged in",
            _TAG,
            query=CameBack,
            answers={200: LoggedIn},
            problems=(
                CHALLENGE_EXPIRED,
                OIDC_REFUSED,
                OIDC_UNREACHABLE,
                INVALID_CREDENTIALS,
                SECOND_FACTOR_REQUIRED,
                LOGIN_METHOD_NOT_ALLOWED,
                UNAUTHENTICATED,
            ),
            public=True,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.CALLBACK,
        ),
    )


def _settings(oidc: _Oidc) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/policy/oidc",
            oidc.show,
            "Show the clinic's provider",
            _TAG,
            answers={200: OidcProviderView},
            problems=(NOT_FOUND,),
            etag=True,
            compressed=False,
            example=examples.PROVIDER,
        ),
        Endpoint(
            "PUT",
            "/v1/policy/oidc",
            oidc.put,
            "Say whose word the clinic takes",
            _TAG,
            body=ProviderSetting,
            answers={200: OidcProviderView},
            problems=(STEP_UP_REQUIRED, INVALID_OIDC_PROVIDER),
            body_limit=SMALL,
            guarded=True,
            etag=True,
            compressed=False,
            example=examples.SET_PROVIDER,
        ),
    )
