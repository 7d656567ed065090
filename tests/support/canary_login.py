"""Plants canaries in what people send to prove who they are, and to change how they do."""

from tests.support.canary_routes import Planter


def plant(planter: Planter) -> None:
    """An account whose failures are counted, puzzles that are answered with anything, a password that is changed."""
    secret = planter.secret
    password, fresh = secret.text("password"), secret.text("next password")
    person = {"email": secret.email("e-mail"), "name": secret.text("name"), "role": "clinician", "password": password}
    planter.send("POST /v1/users", json=person, headers=planter.key(), expected=201)
    planter.send("GET /v1/auth/challenge", expected=200)
    credentials = {"email": person["email"], "password": password}
    tokens = planter.send("POST /v1/auth/login", json=credentials, expected=200).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    path = "PUT /v1/auth/password"
    for current, new, status in (
        (secret.text("wrong password"), fresh, 403),
        (password, person["email"], 422),
        (password, fresh, 204),
    ):
        planter.send(path, json={"current_password": current, "new_password": new}, headers=headers, expected=status)
    for _ in range(12):
        wrong = {**credentials, "password": secret.text("guess"), "challenge": secret.text("solution")}
        planter.send("POST /v1/auth/login", json=wrong)
    assert planter.refusals[-1][1].json()["code"] == "challenge-required"
