"""Plants canaries in status pages."""

from tests.support.canary_routes import Planter


def plant(planter: Planter) -> None:
    """What a page says, and what does not belong on one. As an administrator."""
    secret, path = planter.secret, "/v1/status-pages/{id}"
    wrong = {"slug": secret.text("slug"), "title": secret.text("title"), "time_zone": secret.text("zone of a page")}
    planter.send("POST /v1/status-pages", json=wrong, expected=422)
    body = {"slug": "canaries", "title": secret.text("title of a page"), "description": secret.text("description")}
    made = planter.send("POST /v1/status-pages", json=body, headers=planter.key(), expected=201).json()
    one = f"/v1/status-pages/{made['id']}"
    change = {"title": secret.text("new title"), "published": True}
    planter.send(f"PATCH {path}", one, json=change, headers={"If-Match": '"1"'}, expected=200)
    for template in ("/v1/status-pages", path):
        planter.send(f"GET {template}", template.replace(path, one), expected=200)
    for form in ("/v1/status/{clinic}/{slug}", *(f"/status/{{clinic}}/{{slug}}{tail}" for tail in ("", "/atom", "/rss"))):
        planter.send(f"GET {form}", form.format(clinic="demo", slug="canaries"), expected=200)
        planter.send(f"GET {form}", form.format(clinic="demo", slug="of-no-page"), expected=404)
    planter.send(f"DELETE {path}", one, headers={"If-Match": '"2"'}, expected=204)
