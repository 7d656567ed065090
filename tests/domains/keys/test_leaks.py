"""Leaked keys: reported by who may, revoked in one step, with an incident; and nothing happens for anything else."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from keepwell.domains.keys.service.reporters import Reporters
from keepwell.domains.keys.service.secrets import Secrets
from keepwell.kernel import Permission, Read, Refused
from tests.domains.keys.conftest import ORIGIN, Clinic, Node
from tests.support.leak_reports import OTHER_CURVE, Publisher, Signer
from tests.support.problems import assert_refused

PATH = "/v1/keys/leaks"


def report(*tokens: str, **more: Any) -> bytes:
    given = {"type": "keepwell_api_key", "url": "https://github.com/x/y", "source": "content", **more}
    return json.dumps([{"token": token, **given} for token in tokens]).encode()


async def send(clinic: Clinic, signer: Signer, content: bytes) -> httpx.Response:
    return await clinic.elsewhere.post(PATH, content=content, headers=signer.headers(content))


async def incidents(clinic: Clinic) -> list[dict[str, Any]]:
    return (await clinic.http.get("/v1/incidents")).json()["items"]


def counted(verdict: str) -> float:
    return REGISTRY.get_sample_value("keepwell_key_leaks_total", {"verdict": verdict}) or 0


async def test_a_reported_key_is_revoked_everywhere_and_an_incident_opened(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    for http in (clinic.http, clinic.elsewhere):
        assert (await clinic.use(issued, http=http)).status_code == 200
    answer = await send(clinic, signer, report(issued["token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    for http in (clinic.http, clinic.elsewhere):
        assert_refused(await clinic.use(issued, http=http), 401, "unauthenticated")
    shown = await clinic.show(issued)
    assert (shown["state"], shown["revoke_reason"]) == ("revoked", "leaked")
    [incident] = await incidents(clinic)
    assert (incident["subject"], incident["severity"], incident["status"]) == (f"api-key/{shown['id']}", "critical", "open")
    assert "https://github.com/x/y" in incident["timeline"][0]["text"]
    assert incident["runbook"] == "docs/keys.md"


async def test_a_leaked_key_can_be_replaced_at_once(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    await send(clinic, signer, report(issued["token"]))
    answer = await clinic.http.post(f"/v1/keys/{issued['key']['id']}/rotate", json={})
    assert answer.status_code == 201, answer.text
    assert (await clinic.use(answer.json())).status_code == 200
    assert_refused(await clinic.use(issued), 401, "unauthenticated")


async def test_a_second_report_changes_nothing(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    content = report(issued["token"], issued["token"])
    for _ in range(2):
        assert (await send(clinic, signer, content)).status_code == 204
    [incident] = await incidents(clinic)
    assert len(incident["timeline"]) == 1
    assert (await clinic.show(issued))["version"] == 2


async def test_reports_that_come_at_once_open_one_incident(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    content = report(issued["token"])
    answers = await asyncio.gather(*(send(clinic, signer, content) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(await incidents(clinic)) == 1


async def test_what_is_no_key_of_ours_is_taken_without_effect(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    other = await clinic.make()
    left, right = issued["token"].rsplit("_", 1)[0], other["token"].rsplit("_", 1)[1]
    assert (await send(clinic, signer, report("", "no key", "kw_live_x", f"{left}_{right}", "x" * 10_000))).status_code == 204
    assert (await send(clinic, signer, b"[]")).status_code == 204
    assert await incidents(clinic) == []
    assert (await clinic.use(issued)).status_code == 200


async def test_a_key_is_not_revoked_by_who_knows_its_id_and_not_its_secret(clinic: Clinic, node: Node, signer: Signer):
    issued = await clinic.make()
    forged = Secrets(node.kernel.ring.derive).compose(clinic.tenant, UUID(issued["key"]["id"]), None)
    before = counted("unknown-key")
    assert (await send(clinic, signer, report(forged))).status_code == 204
    assert (await clinic.use(issued)).status_code == 200
    assert counted("unknown-key") == before + 1


@pytest.mark.parametrize("fault", ["other key", "changed body", "no signature", "no identifier", "not base64", "other curve"])
async def test_a_report_that_is_not_signed_by_who_it_should_be_is_refused(
    clinic: Clinic, signer: Signer, publisher: Publisher, fault: str
):
    issued = await clinic.make()
    curve = Signer("curve", OTHER_CURVE)
    publisher.signers.append(curve)
    content = sent = report(issued["token"])
    headers = signer.headers(content)
    match fault:
        case "other key":
            headers = Signer("current").headers(content)
        case "changed body":
            sent = content + b" "
        case "no signature":
            del headers["github-public-key-signature"]
        case "no identifier":
            del headers["github-public-key-identifier"]
        case "not base64":
            headers["github-public-key-signature"] = "%%%"
        case _:
            headers = curve.headers(content)
    assert_refused(await clinic.elsewhere.post(PATH, content=sent, headers=headers), 403, "invalid-signature")
    assert (await clinic.use(issued)).status_code == 200


async def test_the_signature_is_over_the_body_just_as_it_was_sent(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    assert (await send(clinic, signer, b"\n " + report(issued["token"]) + b"\n")).status_code == 204
    assert (await clinic.show(issued))["state"] == "revoked"


async def test_keys_of_reporters_are_fetched_once(clinic: Clinic, signer: Signer, publisher: Publisher):
    for _ in range(3):
        assert (await send(clinic, signer, b"[]")).status_code == 204
    assert publisher.asked == 1


@pytest.mark.parametrize("manner", ["garbage", "elsewhere", "broken", "endless", "dripping"])
async def test_while_the_reporters_keys_cannot_be_had_the_report_may_come_again(
    clinic: Clinic, signer: Signer, publisher: Publisher, manner: str
):
    publisher.manner = manner
    issued = await clinic.make()
    assert_refused(await send(clinic, signer, report(issued["token"])), 503, "temporarily-unavailable")
    assert (await clinic.use(issued)).status_code == 200


async def test_the_text_of_a_key_is_in_no_log_line_and_no_row(clinic: Clinic, signer: Signer):
    issued = await clinic.make()
    secret = issued["token"].rsplit("_", 1)[1][:30]
    with capture_logs() as lines:
        await clinic.use(issued)
        await send(clinic, signer, report(issued["token"], url=f"https://github.com/x?k={issued['token']}"))
    assert [line["outcome"] for line in lines if line["event"] == "keys.leak-reported"] == ["revoked"]
    assert secret not in str(lines)
    [incident] = await incidents(clinic)
    assert secret not in str(incident)
    entries = await clinic.node.kernel.history(_reading(clinic, issued))
    assert secret not in str(entries)


def _reading(clinic: Clinic, issued: dict[str, Any]) -> Read:
    return Read("api-key", UUID(issued["key"]["id"]), clinic.operator, ORIGIN, Permission("ApiKey", "r"))


async def test_without_an_address_of_reporters_nobody_may_report(signer: Signer):
    with pytest.raises(Refused) as refused:
        await Reporters(None).check(signer.name, signer.headers(b"[]")["github-public-key-signature"], b"[]")
    assert refused.value.refusal.code == "invalid-signature"
