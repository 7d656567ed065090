"""What is unusual about how a key is used, and that it is told of once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from keepwell.domains.keys.rules.unusual import LEARNING, Hour, Seen, unusual
from tests.domains.keys.conftest import ORIGIN, Clinic, Node

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24


def usual_days(amount: int = 10, hours: int = 3 * DAY) -> list[Hour]:
    return [Hour(START + place * HOUR, amount) for place in range(hours)]


def texts(operations: list[Seen], networks: list[Seen], hours: list[Hour]) -> list[str]:
    return [each.text for each in unusual(operations, networks, hours, START)]


def test_what_a_key_does_for_the_first_time_after_it_was_learnt_is_unusual():
    seen = [Seen("response.read", START), Seen("responses.create", START + HOUR), Seen("responses.void", START + 2 * LEARNING)]
    assert texts(seen, [], []) == ["first use of responses.void"]
    again = [*seen, Seen("responses.void", START)]  # through another door
    assert texts(again, [], []) == []


def test_a_new_address_range_is_unusual():
    assert texts([], [Seen("a", START), Seen("b", START + LEARNING)], []) == ["new address range b"]


def test_an_hour_of_many_times_the_usual_use_is_unusual_and_its_words_stay_the_same_while_it_grows():
    now = START + 72 * HOUR
    assert texts([], [], [*usual_days(), Hour(now, 99)]) == []
    words = [texts([], [], [*usual_days(), Hour(now, amount)]) for amount in (100, 150, 199, 200)]
    assert words[0] == words[1] == words[2] == ["more than 10 times its usual hour, from 2026-01-04T00:00Z on"]
    assert words[3] == ["more than 20 times its usual hour, from 2026-01-04T00:00Z on"]


def test_an_outbreak_does_not_become_usual():
    hours = [*usual_days(), *(Hour(START + (72 + place) * HOUR, 500) for place in range(48))]
    assert len(unusual([], [], hours, START)) == 48


def test_little_use_and_a_key_that_is_not_learnt_are_never_unusual():
    assert texts([], [], [*usual_days(1), Hour(START + 72 * HOUR, 99)]) == []
    assert texts([], [], [*usual_days(10, 23), Hour(START + 23 * HOUR, 10_000)]) == []


@given(st.lists(st.integers(1, 1_000), max_size=60))
def test_steady_growth_below_ten_times_the_mean_is_never_unusual(amounts: list[int]):
    hours: list[Hour] = []
    for place, amount in enumerate(amounts):
        mean = sum(hour.amount for hour in hours) / len(hours) if hours else amount
        hours.append(Hour(START + place * HOUR, min(amount, max(1, int(9 * mean)))))
    assert unusual([], [], hours, START) == []


async def test_a_new_operation_opens_one_incident_however_often_it_is_looked_at(clinic: Clinic, node: Node, other_node: Node):
    issued = await clinic.make("system/Questionnaire.crus")
    await clinic.use(issued)
    await other_node.kernel.tally.flush()
    clinic.clock.advance(days=2)
    clinic.http.headers.update(await clinic.log_in("admin"))
    headers = {"authorization": f"Bearer {issued['token']}"}
    form = {"resourceType": "Questionnaire", "status": "draft", "title": "A form"}
    made = await clinic.elsewhere.post("/v1/questionnaires", json=form, headers=headers)
    assert made.status_code == 201, made.text
    await other_node.kernel.tally.flush()
    with capture_logs() as lines:
        for each in (node, other_node, node):
            await each.keys.watcher.watch(ORIGIN)
    told = [line for line in lines if line["event"] == "keys.unusual-use" and line["tenant"] == clinic.tenant]
    assert [line["reason"] for line in told] == ["new-operation"]
    [incident] = (await clinic.http.get("/v1/incidents")).json()["items"]
    assert (incident["subject"], incident["severity"]) == (f"api-key-use/{issued['key']['id']}", "warning")
    assert [entry["text"] for entry in incident["timeline"]] == ["first use of questionnaires.create"]
    activity = (await clinic.http.get(f"/v1/keys/{issued['key']['id']}/activity")).json()
    assert [each["text"] for each in activity["unusual"]] == ["first use of questionnaires.create"]
    await clinic.http.post(f"/v1/incidents/{incident['id']}/resolve", json={"text": "it was us"})
    await node.keys.watcher.watch(ORIGIN)
    assert len((await clinic.http.get("/v1/incidents")).json()["items"]) == 1
