"""The second step of a login, and logging in by passkey. No answer is compressed: they hold credentials."""

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, INVALID_SECOND_FACTOR, SECOND_FACTOR_DELAYED
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, Enrolment, PasskeyRequest, PasskeyShown, SecondFactorShown
from keepwell.domains.factors.service import FactorService, Shown, TotpOffer
from keepwell.domains.identity import INVALID_CREDENTIALS, LOGIN_METHOD_NOT_ALLOWED, LOGIN_RATE, Entered, entered
from keepwell.kernel.http import Answer, Call, Endpoint
from keepwell.kernel.http.errors import HTTPS_REQUIRED
from keepwell.kernel.problems import FORBIDDEN, UNAUTHENTICATED

_TAG = "Second factors"
_REFUSALS = (INVALID_SECOND_FACTOR, CHALLENGE_EXPIRED, INVALID_CREDENTIALS, UNAUTHENTICATED, HTTPS_REQUIRED, FORBIDDEN)


class _Logins:
    def __init__(self, service: FactorService) -> None:
        self._steps = service.logins
        self._identity = service.identity

    async def second(self, call: Call) -> Answer:
        body: SecondFactorShown = call.body
        if body.cookies:
            call.cookie(None)  # refused before anything is used up
        shown = Shown(body.method, body.code, body.credential)
        logged_in = await self._steps.second(body.challenge, shown, call.origin)
        return await entered(self._identity, call, logged_in, cookies=body.cookies)

    async def enrol(self, call: Call) -> Answer:
        body: Enrolment = call.body
        return Answer(200, await self._steps.enrol(body.challenge, call.origin))

    async def passkey_options(self, _: Call) -> Answer:
        return Answer(200, PasskeyRequest(self._steps.passkey_options()))

    async def passkey(self, call: Call) -> Answer:
        body: PasskeyShown = call.body
        if body.cookies:
            call.cookie(None)  # refused before anything is used up
        logged_in = await self._steps.passkey(body.credential, call.origin)
        return await entered(self._identity, call, logged_in, cookies=body.cookies)


def endpoints(service: FactorService) -> tuple[Endpoint, ...]:
    """Every route of this file: all are open to who is not logged in yet."""
    logins = _Logins(service)
    return (*_second(logins), *_passkey(logins))


def _second(logins: _Logins) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/second-factor",
            logins.second,
            "Complete a login with a second factor",
            _TAG,
            body=SecondFactorShown,
            answers={200: Entered},
            problems=(SECOND_FACTOR_DELAYED, *_REFUSALS),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.SECOND,
        ),
        Endpoint(
            "POST",
            "/v1/auth/second-factor/enrolment",
            logins.enrol,
            "Set up the authenticator app that a login asks for",
            _TAG,
            body=Enrolment,
            answers={200: TotpOffer},
            problems=(CHALLENGE_EXPIRED,),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.ENROLMENT,
        ),
    )


def _passkey(logins: _Logins) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/passkey/options",
            logins.passkey_options,
            "Begin to log in by passkey",
            _TAG,
            answers={200: PasskeyRequest},
            public=True,
            idempotent=False,
            compressed=False,
            example=examples.PASSKEY_OPTIONS,
        ),
        Endpoint(
            "POST",
            "/v1/auth/passkey",
            logins.passkey,
            "Log in by passkey alone",
            _TAG,
            body=PasskeyShown,
            answers={200: Entered},
            problems=(LOGIN_METHOD_NOT_ALLOWED, *_REFUSALS),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.PASSKEY,
        ),
    )
