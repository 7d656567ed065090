"""What a clinic asks for at login."""

from keepwell.domains.factors.errors import INVALID_POLICY
from keepwell.domains.factors.models import LoginPolicyView, SetLoginPolicy
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, PolicySetting
from keepwell.domains.factors.service import FactorService
from keepwell.kernel.http import Answer, Call, Endpoint, answer
from keepwell.kernel.problems import STEP_UP_REQUIRED

_TAG = "Second factors"


class _Policy:
    def __init__(self, service: FactorService) -> None:
        self._service = service

    async def show(self, call: Call) -> Answer:
        policy = await self._service.policy(call.actor, call.origin)
        return Answer(200, policy, {"etag": f'"{policy.version}"'})

    async def put(self, call: Call) -> Answer:
        body: PolicySetting = call.body
        allowed, required = tuple(body.allowed), tuple(body.second_factor_required_for)
        return answer(await call.execute(SetLoginPolicy(call.actor.tenant, allowed, required)))


def endpoints(service: FactorService) -> tuple[Endpoint, ...]:
    """Every route about the policy."""
    policy = _Policy(service)
    return (
        Endpoint(
            "GET",
            "/v1/policy/login",
            policy.show,
            "Show how people of the clinic log in",
            _TAG,
            answers={200: LoginPolicyView},
            etag=True,
            compressed=False,
            example=examples.POLICY,
        ),
        Endpoint(
            "PUT",
            "/v1/policy/login",
            policy.put,
            "Say how people of the clinic log in, and who needs a second factor",
            _TAG,
            body=PolicySetting,
            answers={200: LoginPolicyView},
            problems=(STEP_UP_REQUIRED, INVALID_POLICY),
            body_limit=SMALL,
            guarded=True,
            etag=True,
            compressed=False,
            example=examples.SET_POLICY,
        ),
    )
