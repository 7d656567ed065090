"""Demo data: made through the command path, once, and never beside real clinics."""

import httpx
import msgspec
import psycopg
import pytest

from keepwell.domains.questionnaires import verdict
from keepwell.kernel import Origin
from keepwell.main.addresses import Addresses
from keepwell.main.demo import DemoRefusedError, prepare
from keepwell.main.demo.clinic import questionnaires
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.main.conftest import log_in
from tests.support.cluster import DatabaseUrls


def entries(urls: DatabaseUrls) -> int:
    with psycopg.connect(urls.superuser) as connection:
        [count] = connection.execute("SELECT count(*) FROM journal_entry").fetchone() or (0,)
        return count


async def test_made_twice_it_is_there_once(
    demo: None, chosen: Settings, addresses: Addresses, clean_database: DatabaseUrls, http: httpx.AsyncClient
):
    before = entries(clean_database)
    assert before >= 1 + 3 + 3 * 2
    await prepare(chosen, addresses)
    assert entries(clean_database) == before
    assert len((await http.get("/v1/users", headers=await log_in(http, "admin"))).json()["items"]) == 3


async def test_beside_other_clinics_it_is_refused(chosen: Settings, addresses: Addresses, clean_database: DatabaseUrls):
    parts = Parts(chosen, addresses, ProcessKind.CLI)
    async with parts.running():
        await parts.rooms.tenants.create("real", "A real clinic", Origin("cli", "r"))
    before = entries(clean_database)
    with pytest.raises(DemoRefusedError, match="other clinics"):
        await prepare(chosen, addresses)
    assert entries(clean_database) == before


def test_the_questionnaires_are_valid_without_a_doubt():
    for resource in questionnaires():
        assert verdict(resource).faults == ()
        assert verdict(resource).warnings == ()
        assert (resource["status"], resource["version"]) == ("draft", "1.0.0")


def test_phq_9_has_the_codes_and_scores_clinics_expect():
    phq_9 = next(resource for resource in questionnaires() if resource["name"] == "PHQ9")
    assert phq_9["code"][0]["code"] == "44249-1"
    scored = [item for item in phq_9["item"] if item.get("required")]
    codes = "44250-9 44255-8 44259-0 44254-1 44251-7 44258-2 44252-5 44253-3 44260-8"
    assert [item["code"][0]["code"] for item in scored] == codes.split()
    for item in scored:
        options = [(each["valueCoding"]["code"], each["extension"][0]["valueDecimal"]) for each in item["answerOption"]]
        assert options == [("LA6568-5", 0), ("LA6569-3", 1), ("LA6570-1", 2), ("LA6571-9", 3)]


def test_the_long_form_has_groups_repeats_and_conditions():
    text = msgspec.json.encode(next(resource for resource in questionnaires() if resource["name"] == "AdultIntake")).decode()
    for feature in ('"type":"group"', '"repeats":true', '"enableWhen"', '"enableBehavior":"all"', '"enableBehavior":"any"'):
        assert feature in text
