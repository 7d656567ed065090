"""The limits on how much callers ask, as the operator set them."""

from collections.abc import Mapping
from uuid import UUID

from keepwell.domains.identity import LOGIN_RATE, REFRESH_RATE
from keepwell.kernel.http import USUAL, Policy
from keepwell.kit import gcra
from keepwell.platform.settings import Settings

RATES_KEY = "keepwell rate limits v1"


def policies(settings: Settings) -> Mapping[str, Policy]:
    """Every policy that an endpoint may name."""
    tenants = dict(each.split("=", 1) for each in settings.rate_tenants)
    return {
        USUAL: Policy(
            address=gcra.parse(settings.rate_address),
            user=gcra.parse(settings.rate_user),
            tenant=gcra.parse(settings.rate_tenant),
            tenants={UUID(tenant): gcra.parse(rate) for tenant, rate in tenants.items()},
        ),
        LOGIN_RATE: Policy(address=gcra.parse(settings.rate_login)),
        REFRESH_RATE: Policy(address=gcra.parse(settings.rate_refresh)),
    }
