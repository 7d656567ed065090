"""Plants canaries in second factors: what people set up, present and are given must be seen nowhere in clear."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.authenticator import Authenticator
from tests.support.canary_routes import Planter
from tests.support.totp import app_code

PASSWORD = "a password for the person with factors"


def plant(planter: Planter) -> None:
    """Somebody sets everything up and logs in with it; strangers try."""
    secret = planter.secret
    email = secret.email("e-mail of somebody with factors")
    person = {"email": email, "name": secret.text("name of somebody"), "role": "clinician", "password": PASSWORD}
    made = planter.send("POST /v1/users", json=person, expected=201).json()
    login: dict[str, Any] = {"json": {"email": email, "password": PASSWORD}}
    token = planter.send("POST /v1/auth/login", **login, expected=200).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    authenticator, app = set_up(planter, headers)
    log_in(planter, login, authenticator, app)
    prove_again(planter, headers)
    planter.send("DELETE /v1/users/{id}/factors", f"/v1/users/{made['id']}/factors", expected=204)
    wrong_things(planter)
    policy(planter)


def set_up(planter: Planter, headers: dict[str, str]) -> tuple[Authenticator, str]:
    secret, authenticator = planter.secret, Authenticator()
    app = planter.send("POST /v1/auth/factors/totp", headers=headers, expected=201).json()["secret"]
    confirm = "POST /v1/auth/factors/totp/confirm"
    planter.send(confirm, json={"code": secret.text("wrong code")}, headers=headers, expected=401)
    secret.known(app, "secret of an app")
    code = app_code(app, datetime.now(UTC) - timedelta(seconds=30))
    planter.send(confirm, json={"code": code}, headers=headers, expected=200)
    codes: list[str] = planter.send("POST /v1/auth/factors/recovery-codes", headers=headers, expected=201).json()["codes"]
    secret.known(codes[0], "recovery code")
    begun = planter.send("POST /v1/auth/factors/passkeys/options", headers=headers, expected=200).json()
    body = {"challenge": begun["challenge"], "name": secret.text("name of a passkey")}
    add = "POST /v1/auth/factors/passkeys"
    planter.send(add, json={**body, "credential": {"id": secret.text("credential")}}, headers=headers, expected=422)
    body["credential"] = authenticator.create(begun["options"])
    planter.send(add, json=body, headers=headers, expected=201)
    planter.send("GET /v1/auth/factors", headers=headers, expected=200)
    return authenticator, app


def log_in(planter: Planter, login: dict[str, Any], authenticator: Authenticator, app: str) -> None:
    secret = planter.secret
    asked = planter.send("POST /v1/auth/login", **login, expected=401).json()
    second = "POST /v1/auth/second-factor"
    for method in ("totp", "recovery-code"):
        body = {"challenge": asked["challenge"], "method": method, "code": secret.text(f"wrong {method}")}
        planter.send(second, json=body, expected=401)
    body = {"challenge": asked["challenge"], "method": "totp", "code": app_code(app, datetime.now(UTC))}
    planter.send(second, json=body, expected=200)
    options = planter.send("POST /v1/auth/passkey/options", expected=200).json()["options"]
    planter.send("POST /v1/auth/passkey", json={"credential": authenticator.get(options)}, expected=200)


def prove_again(planter: Planter, headers: dict[str, str]) -> None:
    secret = planter.secret
    planter.send("POST /v1/auth/step-up/options", headers=headers, expected=200)
    planter.send("POST /v1/auth/step-up", json={"password": secret.text("password")}, headers=headers, expected=401)
    body = {"method": "totp", "code": secret.text("code to step up")}
    planter.send("POST /v1/auth/step-up", json=body, headers=headers, expected=401)
    passkey = planter.send("GET /v1/auth/factors", headers=headers).json()["passkeys"][0]["id"]
    planter.send("DELETE /v1/auth/factors/passkeys/{id}", f"/v1/auth/factors/passkeys/{passkey}", headers=headers, expected=204)
    planter.send("DELETE /v1/auth/factors/totp", headers=headers, expected=204)


def wrong_things(planter: Planter) -> None:
    secret = planter.secret
    planter.send("POST /v1/auth/second-factor/enrolment", json={"challenge": secret.text("challenge")}, expected=401)
    credential = {"id": secret.text("id"), "response": {"userHandle": secret.text("handle")}}
    planter.send("POST /v1/auth/passkey", json={"credential": credential}, expected=401)
    asked = {"email": secret.email("e-mail for a link"), "clinic": secret.text("clinic for a link")}
    planter.send("POST /v1/auth/magic-link", json=asked, expected=503)
    planter.send("POST /v1/auth/magic-link/redeem", json={"token": secret.text("token")}, expected=401)
    planter.send("POST /auth/link", data={"token": secret.text("token of a form")}, expected=401)
    planter.send("GET /auth/link", f"/auth/link?token={secret.text('token of a page')}", expected=200)


def policy(planter: Planter) -> None:
    secret = planter.secret
    version = planter.send("GET /v1/policy/login", expected=200).json()["version"]
    body = {"allowed": ["password", "passkey", "oidc"], "second_factor_required_for": []}
    planter.send("PUT /v1/policy/login", json=body, headers={"If-Match": f'"{version}"'}, expected=200)
    body = {"allowed": [secret.text("way in")], "second_factor_required_for": []}
    planter.send("PUT /v1/policy/login", json=body, headers={"If-Match": f'"{version}"'}, expected=422)
    provider = {
        "issuer": "https://127.0.0.1:9",
        "client_id": secret.text("client"),
        "client_secret": secret.text("client secret"),
    }
    planter.send("PUT /v1/policy/oidc", json=provider, headers={"If-Match": '"0"'}, expected=200)
    planter.send("PUT /v1/policy/oidc", json={**provider, "issuer": secret.text("issuer")}, expected=422)
    planter.send("GET /v1/policy/oidc", expected=200)
    planter.send("GET /v1/auth/oidc/{clinic}/start", "/v1/auth/oidc/demo/start", expected=503)
    parameters = {"state": secret.text("state"), "code": secret.text("code")}
    planter.send("GET /v1/auth/oidc/callback", "/v1/auth/oidc/callback", params=parameters, expected=401)
