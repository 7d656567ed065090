"""What people set up to prove who they are, and proving it again. No answer is compressed: they hold or tell of credentials."""

from keepwell.domains.factors.errors import (
    CHALLENGE_EXPIRED,
    INVALID_SECOND_FACTOR,
    NO_FACTOR,
    PASSKEY_REFUSED,
    SECOND_FACTOR_DELAYED,
)
from keepwell.domains.factors.models import FactorsView
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, CodeShown, NewPasskey, OwnFactorsShown, RecoveryCodes, StepUp
from keepwell.domains.factors.service import OwnFactors, PasskeyOptions, Shown, TotpOffer
from keepwell.domains.identity import CHALLENGE_REQUIRED, SECOND_FACTOR_REQUIRED, visit_of
from keepwell.kernel import Command, Envelope
from keepwell.kernel.http import Answer, Call, Endpoint
from keepwell.kernel.problems import NOT_FOUND, STEP_UP_REQUIRED

_TAG = "Second factors"
_OWN = "/v1/auth/factors"


class _Own:
    def __init__(self, own: OwnFactors) -> None:
        self._own = own

    async def show(self, call: Call) -> Answer:
        return Answer(200, _shown(await self._own.show(call.actor, call.origin)))

    async def offer_totp(self, call: Call) -> Answer:
        return Answer(201, await self._own.offer_totp(_envelope(call)))

    async def confirm_totp(self, call: Call) -> Answer:
        body: CodeShown = call.body
        return Answer(200, _shown(await self._own.confirm_totp(_envelope(call), body.code)))

    async def remove_totp(self, call: Call) -> Answer:
        await self._own.remove_totp(_envelope(call))
        return Answer(204)

    async def recovery_codes(self, call: Call) -> Answer:
        return Answer(201, RecoveryCodes(await self._own.recovery_codes(_envelope(call))))

    async def passkey_options(self, call: Call) -> Answer:
        return Answer(200, await self._own.passkey_options(call.actor, call.origin))

    async def add_passkey(self, call: Call) -> Answer:
        body: NewPasskey = call.body
        view = await self._own.add_passkey(_envelope(call), body.challenge, body.name, body.credential)
        return Answer(201, _shown(view))

    async def remove_passkey(self, call: Call) -> Answer:
        await self._own.remove_passkey(_envelope(call), call.id)
        return Answer(204)

    async def reset(self, call: Call) -> Answer:
        await self._own.reset(_envelope(call), call.id)
        return Answer(204)

    async def step_up_options(self, call: Call) -> Answer:
        return Answer(200, await self._own.step_up_options(call.actor, call.origin))

    async def step_up(self, call: Call) -> Answer:
        body: StepUp = call.body
        shown = None if body.method is None else Shown(body.method, body.code, body.credential)
        visit = visit_of(call, body.challenge if shown is None else None)
        await self._own.step_up(_envelope(call), body.password, shown, body.challenge, visit)
        return Answer(204)


def _envelope(call: Call) -> Envelope:
    """Who asks, and how; the service puts its own command in."""
    return call.envelope(Command(call.actor.id))


def _shown(view: FactorsView) -> OwnFactorsShown:
    return OwnFactorsShown(view.totp, view.recovery_codes_left, view.passkeys)


def endpoints(own: OwnFactors) -> tuple[Endpoint, ...]:
    """Every route about what people have, and about proving it."""
    routes = _Own(own)
    return (*_apps(routes), *_passkeys(routes), *_proving(routes))


def _apps(own: _Own) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            _OWN,
            own.show,
            "List what one can prove with who one is",
            _TAG,
            answers={200: OwnFactorsShown},
            compressed=False,
            example=examples.OWN,
        ),
        Endpoint(
            "POST",
            f"{_OWN}/totp",
            own.offer_totp,
            "Begin to set up an authenticator app",
            _TAG,
            answers={201: TotpOffer},
            problems=(STEP_UP_REQUIRED,),
            idempotent=False,
            compressed=False,
            example=examples.OFFER,
        ),
        Endpoint(
            "POST",
            f"{_OWN}/totp/confirm",
            own.confirm_totp,
            "Confirm the app with one of its codes",
            _TAG,
            body=CodeShown,
            answers={200: OwnFactorsShown},
            problems=(STEP_UP_REQUIRED, INVALID_SECOND_FACTOR, NO_FACTOR, NOT_FOUND),
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.CONFIRM,
        ),
        Endpoint(
            "DELETE",
            f"{_OWN}/totp",
            own.remove_totp,
            "Take the app away",
            _TAG,
            answers={204: None},
            problems=(STEP_UP_REQUIRED, NOT_FOUND),
            idempotent=False,
        ),
        Endpoint(
            "POST",
            f"{_OWN}/recovery-codes",
            own.recovery_codes,
            "Make recovery codes in the place of those that are left",
            _TAG,
            answers={201: RecoveryCodes},
            problems=(STEP_UP_REQUIRED, NO_FACTOR, NOT_FOUND),
            idempotent=False,
            compressed=False,
            example=examples.RECOVERY,
        ),
    )


def _passkeys(own: _Own) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            f"{_OWN}/passkeys/options",
            own.passkey_options,
            "Begin to set up a passkey",
            _TAG,
            answers={200: PasskeyOptions},
            idempotent=False,
            compressed=False,
            example=examples.NEW_OPTIONS,
        ),
        Endpoint(
            "POST",
            f"{_OWN}/passkeys",
            own.add_passkey,
            "Add the passkey that the browser made",
            _TAG,
            body=NewPasskey,
            answers={201: OwnFactorsShown},
            problems=(STEP_UP_REQUIRED, PASSKEY_REFUSED, CHALLENGE_EXPIRED),
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.ADD_PASSKEY,
        ),
        Endpoint(
            "DELETE",
            f"{_OWN}/passkeys/{{id}}",
            own.remove_passkey,
            "Take a passkey away",
            _TAG,
            answers={204: None},
            problems=(STEP_UP_REQUIRED,),
            idempotent=False,
        ),
    )


def _proving(own: _Own) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "DELETE",
            "/v1/users/{id}/factors",
            own.reset,
            "Take all factors of another person away, who lost them, and end their sessions",
            _TAG,
            answers={204: None},
            problems=(STEP_UP_REQUIRED,),
        ),
        Endpoint(
            "POST",
            "/v1/auth/step-up/options",
            own.step_up_options,
            "Begin to prove once more by passkey who one is",
            _TAG,
            answers={200: PasskeyOptions},
            idempotent=False,
            compressed=False,
            example=examples.STEP_UP_OPTIONS,
        ),
        Endpoint(
            "POST",
            "/v1/auth/step-up",
            own.step_up,
            "Prove once more who one is, before something sensitive",
            _TAG,
            body=StepUp,
            answers={204: None},
            problems=(
                INVALID_SECOND_FACTOR,
                SECOND_FACTOR_REQUIRED,
                SECOND_FACTOR_DELAYED,
                CHALLENGE_EXPIRED,
                CHALLENGE_REQUIRED,
            ),
            body_limit=SMALL,
            idempotent=False,
            example=examples.STEP_UP,
        ),
    )
