"""A status page on the whole program: kept by administrators, seen by everybody, and nothing on it that is not meant for them."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from keepwell.kit.ids import new_id
from tests.support.problems import assert_problem, assert_refused
from tests.support.server import Server
from tests.support.waiting import eventually

_HEART = {"kind": "heartbeat", "heartbeat": {"period_s": 3600}}
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def anybody(server: Server) -> Any:
    with httpx.Client(base_url=server.base) as client:
        yield client


def parsed(feed: httpx.Response) -> ET.Element:
    return ET.fromstring(feed.content)  # noqa: S314 - our own


def slug() -> str:
    return f"page-{new_id().hex[-12:]}"


def test_what_beats_is_shown_as_operational_under_its_public_name(admin: httpx.Client, anybody: httpx.Client):
    heart = admin.post(
        "/v1/monitors", json={"name": "backup on db-17.internal", "kind": "heartbeat", "heartbeat": {"period_s": 3600}}
    ).json()
    assert anybody.post(f"/v1/heartbeats/{heart['heartbeat_token']}").status_code == 204
    eventually(lambda: admin.get(f"/v1/monitors/{heart['id']}/status").json()["status"] == "up", 60)
    place = slug()
    page: dict[str, Any] = {"slug": place, "title": "Services <b>", "time_zone": "Asia/Tokyo", "published": True}
    page["components"] = [{"monitor": heart["id"], "name": "Backups & <script>", "group": "Data"}]
    made = admin.post("/v1/status-pages", json=page)
    assert made.status_code == 201, made.text
    seen = anybody.get(f"/v1/status/demo/{place}").json()
    [component] = seen["components"]
    assert (component["name"], component["group"], seen["status"]) == ("Backups & <script>", "Data", "operational")
    assert len(component["days"]) == 90
    text = anybody.get(f"/status/demo/{place}").text
    assert "db-17" not in text + str(seen)
    assert "<script" not in text
    assert "Services &lt;b&gt;" in text
    assert "Backups &amp; &lt;script&gt;" in text


def test_a_page_is_cached_and_allows_nothing_but_itself(admin: httpx.Client, anybody: httpx.Client):
    place = slug()
    admin.post("/v1/status-pages", json={"slug": place, "title": "Services", "published": True})
    shown = anybody.get(f"/status/demo/{place}")
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "max-age" in shown.headers["cache-control"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "script" not in shown.headers["content-security-policy"]
    again = anybody.get(f"/status/demo/{place}", headers={"if-none-match": shown.headers["etag"]})
    assert again.status_code == 304


def test_a_group_has_one_heading_wherever_its_components_stand(admin: httpx.Client, anybody: httpx.Client):
    place = slug()
    named = [("Forms", "Patients"), ("Reports", "Staff"), ("Booking", "Patients")]
    components = [
        {"monitor": admin.post("/v1/monitors", json=_HEART | {"name": name}).json()["id"], "name": name, "group": group}
        for name, group in named
    ]
    page = {"slug": place, "title": "Services", "published": True, "components": components}
    assert admin.post("/v1/status-pages", json=page).status_code == 201
    seen = anybody.get(f"/v1/status/demo/{place}").json()["components"]
    assert [each["name"] for each in seen] == ["Forms", "Booking", "Reports"]
    text = anybody.get(f"/status/demo/{place}").text
    assert re.findall(r"<h[23]>([^<]+)</h[23]>", text)[:5] == ["Patients", "Forms", "Booking", "Staff", "Reports"]


def test_feeds_are_well_formed(admin: httpx.Client, anybody: httpx.Client):
    place = slug()
    admin.post("/v1/status-pages", json={"slug": place, "title": "A & B", "published": True})
    atom = parsed(anybody.get(f"/status/demo/{place}/atom"))
    assert atom.findtext(f"{ATOM}title") == "A & B"
    rss = parsed(anybody.get(f"/status/demo/{place}/rss"))
    assert rss.findtext("channel/title") == "A & B"


def test_nobody_sees_what_is_not_published_not_there_or_gone(admin: httpx.Client, anybody: httpx.Client):
    place = slug()
    made = admin.post("/v1/status-pages", json={"slug": place, "title": "Not yet"}).json()
    for path in (f"demo/{place}", f"demo/{slug()}", f"nobody/{place}"):
        assert_refused(anybody.get(f"/v1/status/{path}"), 404, "not-found")
        assert_refused(anybody.get(f"/status/{path}"), 404, "not-found")
    gone = admin.delete(f"/v1/status-pages/{made['id']}", headers={"if-match": '"1"'})
    assert gone.status_code == 204
    assert_refused(admin.get(f"/v1/status-pages/{made['id']}"), 404, "not-found")
    assert admin.post("/v1/status-pages", json={"slug": place, "title": "Free again"}).status_code == 201


def test_a_page_is_changed_by_its_version_and_an_address_is_used_once(admin: httpx.Client):
    one, two = slug(), slug()
    path = f"/v1/status-pages/{admin.post('/v1/status-pages', json={'slug': one, 'title': 'One'}).json()['id']}"
    changed = admin.patch(path, json={"title": "Uno"}, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.json()["title"], changed.json()["slug"]) == (200, "Uno", one)
    assert_refused(admin.patch(path, json={"title": "Due"}, headers={"if-match": '"1"'}), 412, "version-conflict")
    assert_refused(admin.post("/v1/status-pages", json={"slug": one, "title": "x"}), 409, "status-page-slug-taken")
    refused = admin.post("/v1/status-pages", json={"slug": "No!", "title": " ", "time_zone": "Mars"})
    problem = assert_problem(refused, 422, "invalid-status-page")
    assert {each["pointer"] for each in problem["errors"]} == {"/slug", "/title", "/time_zone"}
    assert admin.post("/v1/status-pages", json={"slug": two, "title": "Two"}).status_code == 201
