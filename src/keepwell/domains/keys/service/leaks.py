"""What happens when a key was found where it must not be: in one step it is revoked, never deleted, and an incident opened.

The text found is never stored or logged, whatever it is. Somebody who shows us a text that only looks like a key has no effect.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from keepwell.domains.incidents import IncidentService, IncidentView, Report
from keepwell.domains.keys.models import ApiKey, RevokeKey
from keepwell.domains.keys.rules.lifecycle import valid_until
from keepwell.domains.keys.rules.texts import PREFIX, recognise
from keepwell.domains.keys.service.verifying import Verifier
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Snapshot

Verdict = Literal["revoked", "was-over", "unknown-key", "no-key"]
LEAKS = Counter("keepwell_key_leaks", "Texts reported as leaked keys, by what they were", ["verdict"])
RUNBOOK = "docs/keys.md"
_MOST_URL = 500
_log = structlog.stdlib.get_logger("keepwell.keys")


class Finding(msgspec.Struct, frozen=True):
    """A text that somebody found, and where: who found it, in which kind of place, at which address."""

    text: str
    reporter: str = ""
    url: str = ""


class Response(msgspec.Struct, frozen=True):
    """What came of a finding. `unknown-key`: it is formed like one of ours, and is none; `was-over`: the key had ended before."""

    verdict: Verdict
    tenant: UUID | None = None
    key: UUID | None = None
    account: UUID | None = None
    incident: UUID | None = None


class LeakService:
    """Responds to leaks."""

    def __init__(self, kernel: Kernel, verifier: Verifier, incidents: IncidentService) -> None:
        self._kernel = kernel
        self._verifier = verifier
        self._incidents = incidents

    async def respond(self, findings: Sequence[Finding], origin: Origin) -> list[Response]:
        """What came of each finding, in order.

        Raises:
            Refused: the database is out of reach; the same report may be sent again.
        """
        return [await self._one(finding, origin) for finding in findings]

    async def _one(self, finding: Finding, origin: Origin) -> Response:
        stored = await self._verifier.find(finding.text)
        if stored is None:
            response = Response("no-key" if recognise(finding.text) is None else "unknown-key")
        else:
            response = await self._revoke(*stored, finding, origin)
        LEAKS.labels(response.verdict).inc()
        tenant, key = response.tenant, response.key
        _log.warning("keys.leak-reported", outcome=response.verdict, tenant=tenant, id=key, request_id=origin.request_id)
        return response

    async def _revoke(self, tenant: UUID, snapshot: Snapshot, finding: Finding, origin: Origin) -> Response:
        key: ApiKey = snapshot.state
        worked = valid_until(key) > self._kernel.clock.now()
        report = Report(
            f"api-key/{snapshot.id}", "critical", "A key was found where it must not be", _told(key, finding), RUNBOOK
        )
        if key.revoke_reason == "leaked":  # reported already: it stays with the incident there was
            return Response("was-over", tenant, snapshot.id, key.account)
        outcomes = await self._incidents.tell(operator(tenant), origin, report, [RevokeKey(snapshot.id, "leaked")])
        incident = msgspec.json.decode(outcomes[-1].body, type=IncidentView)
        return Response("revoked" if worked else "was-over", tenant, snapshot.id, key.account, incident.id)


def _told(key: ApiKey, finding: Finding) -> str:
    """What the incident says. An address may hold the key itself, or anything: it is left out then."""
    told = f"Key {key.name!r} of account {key.account} was revoked."
    if finding.reporter:
        told += f" Reported by {finding.reporter}."
    if finding.url and PREFIX not in finding.url and len(finding.url) <= _MOST_URL:
        told += f" Found at {finding.url}"
    return told
