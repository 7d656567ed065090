"""The second step of a login, and logging in by passkey. No answer is compressed: they hold credentials."""

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, INVALID_SECOND_FACTOR, SECOND_FACTOR_DELAYED
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, Enrolment, PasskeyRequest, PasskeyShown, SecondFactorShown
from keepwell.domains.factors.service import LoginSteps, Shown, TotpOffer
from keepwell.domains.identity import INVALID_CREDENTIALS, LOGIN_METHOD_NOT_ALLOWED, LoggedIn
from keepwell.kernel.http import Answer, Call, Endpoint
from keepwell.kernel.problems import UNAUTHENTICATED

_TAG = "Second factors"


class _Logins:
    def __init__(self, steps: LoginSteps) -> None:
        self._steps = steps

    async def second(self, call: Call) -> Answer:
        body: SecondFactorShown = call.body
        shown = Shown(body.method, body.code, body.credential)
        return Answer(200, await self._steps.second(body.challenge, shown, call.origin))

    async def enrol(self, call: Call) -> Answer:
        body: Enrolment = call.body
        return Answer(200, await self._steps.enrol(body.challenge, call.origin))

    async def passkey_options(self, _: Call) -> Answer:
        return Answer(200, PasskeyRequest(self._steps.passkey_options()))

    async def passkey(self, call: Call) -> Answer:
        body: PasskeyShown = call.body
        return Answer(200, await self._steps.passkey(body.credential, call.origin))


def endpoints(steps: LoginSteps) -> tuple[Endpoint, ...]:
    """Every route of this file: all are open to who is not logged in yet."""
    logins = _Logins(steps)
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
            answers={200: LoggedIn},
            problems=(INVALID_SECOND_FACTOR, CHALLENGE_EXPIRED, SECOND_FACTOR_DELAYED, INVALID_CREDENTIALS, UNAUTHENTICATED),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
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
            answers={200: LoggedIn},
            problems=(INVALID_SECOND_FACTOR, CHALLENGE_EXPIRED, LOGIN_METHOD_NOT_ALLOWED, INVALID_CREDENTIALS, UNAUTHENTICATED),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.PASSKEY,
        ),
    )
