"""Who may do what: one row for each operation of the HTTP door. The table that tests ask the server about, and that is printed.

A new endpoint or command without a row fails `tests/main/test_permissions.py`. To add one: a line in `ROWS`, with what each role
may, which kind of thing the path or body names, and which commands it runs; where its example in the document would not do, what
to send. Then `make permissions`.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import httpx

Extent = Literal["all", "own", "no"]
"""What of a kind a role may: everything in its clinic, what belongs to the person, nothing."""
Kind = Literal[
    "",
    "user",
    "session",
    "form",
    "response",
    "participant",
    "subject",
    "event",
    "program",
    "batch",
    "schedule",
    "monitor",
    "key",
    "incident",
    "channel",
    "notification",
    "vendor",
    "status-page",
    "emergency",
]
"""What an operation names; nothing when it names nothing that belongs to a clinic."""
ROLES = ("admin", "clinician", "patient")


class Ids(NamedTuple):
    """What there is in a clinic, for bodies: `target` is the thing named. `refresh` is a refresh token."""

    target: str
    form: str
    canonical: str
    resource: dict[str, Any]
    refresh: str


def status_of(answer: httpx.Response) -> int:
    return answer.status_code


class Row(NamedTuple):
    """One operation. `public`: nobody has to say who they are. `body` is what to send, None what the document shows.

    `judge` finds the status that counts, where it stands in the answer. `fresh`: it ends sessions of who asks.
    """

    admin: Extent = "all"
    clinician: Extent = "all"
    patient: Extent = "all"
    names: Kind = ""
    commands: tuple[str, ...] = ()
    body: Callable[[Ids], Any] | None = None
    query: str = ""
    judge: Callable[[httpx.Response], int] = status_of
    fresh: bool = False
    public: bool = False

    def extent(self, role: str) -> Extent:
        return {"admin": self.admin, "clinician": self.clinician, "patient": self.patient}[role]  # pyright: ignore[reportReturnType]


def may(
    extents: str, names: Kind = "", *commands: str, body: Callable[[Ids], Any] | None = None, query: str = "", **more: Any
) -> Row:
    """A row from the extents of administrators, clinicians and patients, such as `all all own`."""
    admin, clinician, patient = extents.split()
    return Row(admin, clinician, patient, names, commands, body, query, **more)  # pyright: ignore[reportArgumentType]


PUBLIC = Row(public=True)


def in_bulk(answer: httpx.Response) -> int:
    return answer.json()["outcomes"][0]["status"] if answer.is_success else answer.status_code


def in_bundle(answer: httpx.Response) -> int:
    return int(answer.json()["entry"][0]["response"]["status"][:3]) if answer.is_success else answer.status_code


def in_graphql(answer: httpx.Response) -> int:
    """What the operation would have answered, by the error's own status."""
    errors = answer.json().get("errors") if answer.is_success else None
    return errors[0]["extensions"]["status"] if errors else answer.status_code


PROOFS = {"challenge-expired", "invalid-second-factor", "mail-not-configured", "no-factor", "not-found", "wrong-password"}
UNSIGNED = {"invalid-signature"}


def on_proof(answer: httpx.Response) -> int:
    """Who asks may; only what was sent along proves nothing, or there is nothing of theirs yet."""
    return 200 if not answer.is_success and answer.json()["code"] in PROOFS else answer.status_code


def unsigned(answer: httpx.Response) -> int:
    """Anybody may report; what is not signed by whom the installation believes is refused as such."""
    return 200 if not answer.is_success and answer.json()["code"] in UNSIGNED else answer.status_code


def unknown(answer: httpx.Response) -> int:
    """Anybody may beat; the token that is sent is nobody's."""
    return 200 if answer.status_code == 404 else answer.status_code


def unfound(answer: httpx.Response) -> int:
    """Anybody may look; there is nothing where the example looks."""
    return 200 if not answer.is_success and answer.json()["code"] == "not-found" else answer.status_code


def a_wrong_password(_: Ids) -> Any:
    return {"current_password": "not the password of anybody", "new_password": "a sentence nobody has said yet"}


def refreshing(ids: Ids) -> Any:
    return {"refresh_token": ids.refresh}


def merging(_: Ids) -> Any:
    return {"base_version": 1, "answers": {}}


def merging_people(ids: Ids) -> Any:
    return {"into": ids.target, "reason": "twice"}


def on_merge(answer: httpx.Response) -> int:
    """Who asks may; only nobody is merged into themselves."""
    return 200 if not answer.is_success and answer.json()["code"] == "invalid-merge" else answer.status_code


def adding(_: Ids) -> Any:
    return {"group": "group", "answers": {}}


def unowned(_: Ids) -> Any:
    """Given to nobody: the person of the example has no account here."""
    return {"owner": None}


def querying(ids: Ids) -> Any:
    return {"query": "query One($id: ID!) { response(id: $id) { version } }", "variables": {"id": ids.target}}


def batch(ids: Ids) -> Any:
    request = {"method": "GET", "url": f"QuestionnaireResponse/{ids.target}"}
    return {"resourceType": "Bundle", "type": "batch", "entry": [{"request": request}]}


def answers_in_fhir(ids: Ids, **more: Any) -> Any:
    return {"resourceType": "QuestionnaireResponse", "status": "in-progress", "questionnaire": ids.canonical, **more}


def a_draft(ids: Ids, **more: Any) -> Any:
    return {**ids.resource, "url": f"urn:uuid:{uuid4()}", "status": "draft", **more}


_BULK = may("all all own", "response", "responses.get", body=lambda ids: {"operations": [{"op": "get", "id": ids.target}]})
_BATCH = may("all all own", "response", "responses.get", body=batch, judge=in_bundle)
_SEE_RESPONSE = may("all all own", "response")
_SEE_FORM = may("all all all", "form")
_SEE_PARTICIPANT = may("all all no", "participant")
_SEE_BATCH = may("all all no", "batch")

ROWS: dict[str, Row] = {
    # -- logging in, sessions, accounts
    "POST /v1/auth/login": PUBLIC._replace(commands=("sessions.start",)),
    "GET /v1/auth/challenge": PUBLIC,
    "PUT /v1/auth/password": may("own own own", body=a_wrong_password, judge=on_proof),
    "POST /v1/auth/refresh": PUBLIC._replace(commands=("sessions.refresh",), body=refreshing),
    "GET /v1/auth/login/diagnostic": PUBLIC,
    "GET /v1/auth/sessions": may("own own own"),
    "DELETE /v1/auth/sessions/{id}": may("all own own", "session", "sessions.end"),
    "DELETE /v1/auth/sessions": may("own own own", fresh=True),
    "POST /v1/auth/logout": may("own own own", "", "sessions.end", fresh=True),
    "GET /v1/auth/me": may("own own own"),
    "POST /v1/users": may("all no no", "", "users.create"),
    "GET /v1/users": may("all no no"),
    "GET /v1/users/{id}": may("all all own", "user"),
    "PATCH /v1/users/{id}": may("all no no", "user", "users.change"),
    "DELETE /v1/users/{id}/sessions": may("all no no", "user"),
    # -- factors: one's own lie where nobody can name those of another
    "POST /v1/auth/second-factor": PUBLIC._replace(judge=on_proof),
    "POST /v1/auth/second-factor/enrolment": PUBLIC._replace(judge=on_proof),
    "POST /v1/auth/passkey/options": PUBLIC,
    "POST /v1/auth/passkey": PUBLIC._replace(judge=on_proof),
    "POST /v1/auth/magic-link": PUBLIC._replace(judge=on_proof),
    "POST /v1/auth/magic-link/redeem": PUBLIC._replace(judge=on_proof),
    "GET /auth/link": PUBLIC._replace(query="?token=none"),
    "POST /auth/link": PUBLIC._replace(judge=on_proof),
    "GET /v1/auth/oidc/{clinic}/start": PUBLIC._replace(judge=on_proof),
    "GET /v1/auth/oidc/callback": PUBLIC._replace(judge=on_proof),
    "POST /v1/auth/step-up/options": may("own own own"),
    "POST /v1/auth/step-up": may("own own own", "", "sessions.reauthenticate"),
    "GET /v1/auth/factors": may("own own own"),
    "POST /v1/auth/factors/totp": may("own own own", "", "factors.offer-totp"),
    "POST /v1/auth/factors/totp/confirm": may("own own own", "", "factors.confirm-totp", judge=on_proof),
    "POST /v1/auth/factors/recovery-codes": may("own own own", "", "factors.set-recovery-codes", judge=on_proof),
    "POST /v1/auth/factors/passkeys/options": may("own own own"),
    "POST /v1/auth/factors/passkeys": may("own own own", judge=on_proof),
    "DELETE /v1/auth/factors/passkeys/{id}": may("own own own", "", "factors.remove-passkey", judge=on_proof),
    "DELETE /v1/auth/factors/totp": may("own own own", "", "factors.remove-totp", judge=on_proof),
    "DELETE /v1/users/{id}/factors": may("all no no", "user", "factors.reset"),
    "GET /v1/policy/login": may("all no no"),
    "PUT /v1/policy/login": may("all no no", "", "login-policy.set"),
    "GET /v1/policy/oidc": may("all no no", judge=on_proof),
    "PUT /v1/policy/oidc": may("all no no", "", "oidc-provider.set"),
    # -- questionnaires
    "POST /v1/questionnaires/$validate": may("all all no"),
    "GET /v1/questionnaires": may("all all all"),
    "GET /v1/questionnaires/{id}": _SEE_FORM,
    "POST /v1/questionnaires": may("all all no", "", "questionnaires.create", body=a_draft),
    "PUT /v1/questionnaires/{id}": may("all all no", "form", "questionnaires.replace", body=a_draft),
    "POST /v1/questionnaires/{id}/publish": may("all all no", "form", "questionnaires.publish"),
    # -- responses
    "POST /v1/responses": may(
        "all all own",
        "subject",
        "responses.create",
        body=lambda ids: {"questionnaire": ids.form, "subject": ids.target},
    ),
    "GET /v1/responses": may("all all own"),
    "GET /v1/responses/{id}": _SEE_RESPONSE,
    "GET /v1/responses/{id}/history": _SEE_RESPONSE,
    "GET /v1/responses/{id}/diff": _SEE_RESPONSE._replace(query="?from=1&to=1"),
    "GET /v1/responses/{id}/events": _SEE_RESPONSE,
    "PATCH /v1/responses/{id}": may("all all own", "response", "responses.patch"),
    "POST /v1/responses/{id}/merge": _SEE_RESPONSE._replace(body=merging),
    "POST /v1/responses/{id}/rows": may("all all own", "response", "responses.add-row", body=adding),
    "DELETE /v1/responses/{id}/rows/{row}": may("all all own", "response", "responses.remove-row"),
    "POST /v1/responses/{id}/submit": may("all all own", "response", "responses.submit"),
    "POST /v1/responses/{id}/amend": may("all all own", "response", "responses.amend"),
    "POST /v1/responses/{id}/void": may("all all own", "response", "responses.void"),
    "POST /v1/responses/$validate": may("all all all", "form", body=lambda ids: {"questionnaire": ids.form, "answers": {}}),
    "POST /v1/responses/{id}/$validate": _SEE_RESPONSE,
    "POST /v1/responses/bulk": _BULK._replace(judge=in_bulk),
    # -- participants and audit
    "GET /v1/participants": may("all all no"),
    "GET /v1/participants/{id}": _SEE_PARTICIPANT,
    "GET /v1/participants/{id}/history": _SEE_PARTICIPANT,
    "GET /v1/audit": may("all no no"),
    "GET /v1/audit/logins": may("all no no"),
    # -- FHIR
    "GET /fhir/R4/metadata": PUBLIC,
    "POST /fhir/R4": _BATCH,
    "POST /fhir/R4/": _BATCH,
    "GET /fhir/R4/AuditEvent": may("all no no"),
    "POST /fhir/R4/AuditEvent/_search": may("all no no"),
    "GET /fhir/R4/AuditEvent/{event}": may("all no no", "event"),
    "GET /fhir/R4/Questionnaire": may("all all all"),
    "POST /fhir/R4/Questionnaire/_search": may("all all all"),
    "GET /fhir/R4/Questionnaire/{id}": _SEE_FORM,
    "GET /fhir/R4/Questionnaire/{id}/_history": _SEE_FORM,
    "GET /fhir/R4/Questionnaire/{id}/_history/{vid}": _SEE_FORM,
    "POST /fhir/R4/Questionnaire": may("all all no", "", "questionnaires.create", body=a_draft),
    "POST /fhir/R4/Questionnaire/$validate": may("all all no"),
    "PUT /fhir/R4/Questionnaire/{id}": may(
        "all all no", "form", "questionnaires.replace", body=lambda ids: a_draft(ids, id=ids.target)
    ),
    "GET /fhir/R4/QuestionnaireResponse": may("all all own"),
    "POST /fhir/R4/QuestionnaireResponse/_search": may("all all own"),
    "GET /fhir/R4/QuestionnaireResponse/{id}": _SEE_RESPONSE,
    "GET /fhir/R4/QuestionnaireResponse/{id}/_history": _SEE_RESPONSE,
    "GET /fhir/R4/QuestionnaireResponse/{id}/_history/{vid}": _SEE_RESPONSE,
    "POST /fhir/R4/QuestionnaireResponse": may(
        "all all own",
        "subject",
        "responses.create",
        body=lambda ids: answers_in_fhir(ids, subject={"reference": ids.target}),
    ),
    "POST /fhir/R4/QuestionnaireResponse/$validate": may("all all all", "", body=answers_in_fhir),
    "PUT /fhir/R4/QuestionnaireResponse/{id}": may(
        "all all own", "response", "responses.patch", body=lambda ids: answers_in_fhir(ids, id=ids.target)
    ),
    "GET /fhir/R4/Patient": may("all all no"),
    "POST /fhir/R4/Patient/_search": may("all all no"),
    "GET /fhir/R4/Patient/{id}": _SEE_PARTICIPANT,
    "GET /fhir/R4/Patient/{id}/_history": _SEE_PARTICIPANT,
    "GET /fhir/R4/Patient/{id}/_history/{vid}": _SEE_PARTICIPANT,
    "POST /fhir/R4/Patient": may("all all no", "", "participants.register", body=lambda _: {"resourceType": "Patient"}),
    "POST /fhir/R4/Patient/$validate": may("all all no"),
    "PUT /fhir/R4/Patient/{id}": may(
        "all all no", "participant", "participants.change", body=lambda ids: {"resourceType": "Patient", "id": ids.target}
    ),
    # -- enrollment
    "POST /v1/programs": may("all all no", "", "programs.create"),
    "GET /v1/programs": may("all all no"),
    "GET /v1/programs/{id}": may("all all no", "program"),
    "PATCH /v1/programs/{id}": may("all all no", "program", "programs.change"),
    "POST /v1/programs/{id}/batches": may("all all no", "program", "enrollment.upload", body=lambda _: "external_id\nA-1\n"),
    "GET /v1/batches": may("all all no"),
    "GET /v1/batches/{id}": _SEE_BATCH,
    "GET /v1/batches/{id}/rows": _SEE_BATCH,
    "GET /v1/batches/{id}/report": _SEE_BATCH,
    "GET /v1/batches/{id}/events": _SEE_BATCH,
    "GET /v1/batches/{id}/rows/{row}": _SEE_BATCH,
    **{
        f"POST /v1/batches/{{id}}/{action}": may("all all no", "batch", f"enrollment.{command}")
        for action, command in (("pause", "pause"), ("resume", "resume"), ("cancel", "cancel"), ("rollback", "roll-back"))
    },
    "POST /v1/batches/{id}/retry": may("all all no", "batch", body=lambda _: {"rows": [1]}),
    "POST /v1/participants/{id}/merge": may(
        "all all no", "participant", "participants.merge", body=merging_people, judge=on_merge
    ),
    "POST /v1/participants/{id}/unmerge": may("all all no", "participant", "participants.unmerge"),
    # -- tasks by the clinic's clocks
    "POST /v1/schedules": may("all no no", "", "schedules.create"),
    "GET /v1/schedules": may("all no no"),
    "GET /v1/schedules/{id}": may("all no no", "schedule"),
    "GET /v1/schedules/{id}/runs": may("all no no", "schedule"),
    "POST /v1/schedules/{id}/run": may("all no no", "schedule", "schedules.run-now"),
    "POST /v1/schedules/{id}/pause": may("all no no", "schedule", "schedules.pause"),
    "POST /v1/schedules/{id}/resume": may("all no no", "schedule", "schedules.resume"),
    "GET /v1/programs/{id}/reminders": may("all all no", "program"),
    "GET /v1/jobs": may("all no no"),
    "POST /v1/jobs/{id}/retry": may("all no no", judge=on_proof),
    # -- what is watched
    "POST /v1/monitors": may("all no no", "", "monitors.create"),
    "GET /v1/monitors": may("all no no"),
    "POST /v1/monitors/import": may("all no no"),
    "GET /v1/monitors/{id}": may("all no no", "monitor"),
    "PATCH /v1/monitors/{id}": may("all no no", "monitor", "monitors.change"),
    "POST /v1/monitors/{id}/pause": may("all no no", "monitor", "monitors.pause"),
    "POST /v1/monitors/{id}/resume": may("all no no", "monitor", "monitors.resume"),
    "POST /v1/monitors/{id}/check": may("all no no", "monitor", "checks.request"),
    **{
        f"GET /v1/monitors/{{id}}/{what}": may("all no no", "monitor")
        for what in ("results", "uptime", "status", "transitions", "dead-checks", "anomalies")
    },
    "POST /v1/monitors/{id}/rotate": may("all no no", "monitor", "monitors.rotate-heartbeat"),
    "POST /v1/heartbeats/{token}": PUBLIC._replace(judge=unknown),
    # -- keys, emergencies, incidents, vendors
    "GET /v1/users/unused": may("all no no"),
    "POST /v1/keys": may("all no no", "", "keys.create"),
    "GET /v1/keys": may("all no no"),
    "GET /v1/keys/unused": may("all no no"),
    "GET /v1/keys/expiring": may("all no no"),
    "GET /v1/keys/{id}": may("all no no", "key"),
    "GET /v1/keys/{id}/activity": may("all no no", "key"),
    "PATCH /v1/keys/{id}": may("all no no", "key", "keys.change"),
    "POST /v1/keys/{id}/rotate": may("all no no", "key", "keys.replace", "keys.succeed"),
    "POST /v1/keys/{id}/revoke": may("all no no", "key", "keys.revoke"),
    "POST /v1/keys/leaks": PUBLIC._replace(judge=unsigned),
    "POST /v1/break-glass": may("all all no", "", "break-glass.start", "sessions.start-emergency"),
    "GET /v1/break-glass": may("all no no"),
    "GET /v1/break-glass/{id}": may("all no no", "emergency"),
    "POST /v1/break-glass/{id}/end": may("all own no", "emergency", "break-glass.end"),
    "POST /v1/break-glass/{id}/review": may("all no no", "emergency", "break-glass.review"),
    "GET /v1/incidents": may("all no no"),
    "GET /v1/incidents/{id}": may("all no no", "incident"),
    "POST /v1/incidents/{id}/acknowledge": may("all no no", "incident", "incidents.acknowledge"),
    "POST /v1/incidents/{id}/notes": may("all no no", "incident", "incidents.note"),
    "POST /v1/incidents/{id}/assign": may("all no no", "incident", "incidents.assign")._replace(body=unowned),
    "POST /v1/incidents/{id}/severity": may("all no no", "incident", "incidents.change-severity"),
    "POST /v1/incidents/{id}/impact": may("all no no", "incident", "incidents.describe-impact"),
    "POST /v1/incidents/{id}/resolve": may("all no no", "incident", "incidents.resolve"),
    "GET /v1/incidents/{id}/postmortem": may("all no no", "incident"),
    "GET /v1/incidents/times": may("all no no"),
    "POST /v1/channels": may("all no no", "", "channels.create"),
    "GET /v1/channels": may("all no no"),
    "GET /v1/channels/{id}": may("all no no", "channel"),
    "PATCH /v1/channels/{id}": may("all no no", "channel", "channels.change"),
    "POST /v1/channels/{id}/test": may("all no no", "channel"),
    "GET /v1/notifications": may("all no no"),
    "GET /v1/notifications/{id}": may("all no no", "notification"),
    "POST /v1/notifications/{id}/redrive": may("all no no", "notification", "notifications.redrive"),
    "DELETE /v1/channels/{id}": may("all no no", "channel", "channels.delete"),
    "GET /v1/uptime": may("all no no"),
    "GET /v1/uptime.csv": may("all no no"),
    "POST /v1/status-pages": may("all no no", "", "statuspages.create"),
    "GET /v1/status-pages": may("all no no"),
    "GET /v1/status-pages/{id}": may("all no no", "status-page"),
    "PATCH /v1/status-pages/{id}": may("all no no", "status-page", "statuspages.change"),
    "DELETE /v1/status-pages/{id}": may("all no no", "status-page", "statuspages.delete"),
    **{
        f"GET {path}": Row(public=True, judge=unfound)
        for path in ("/v1/status/{clinic}/{slug}", *(f"/status/{{clinic}}/{{slug}}{tail}" for tail in ("", "/atom", "/rss")))
    },
    "POST /v1/vendors": may("all no no", "", "vendors.register"),
    "GET /v1/vendors": may("all no no"),
    "GET /v1/vendors/expiring": may("all no no"),
    "GET /v1/vendors/{id}": may("all no no", "vendor"),
    "PATCH /v1/vendors/{id}": may("all no no", "vendor", "vendors.change"),
    "POST /v1/vendors/{id}/agreements": may("all no no", "vendor", "vendors.add-agreement"),
    "POST /v1/vendors/{id}/end": may("all no no", "vendor", "vendors.end"),
    # -- feature flags: each clinic has all of them, and nobody can name those of another
    "GET /v1/flags": may("all no no"),
    "GET /v1/flags/stale": may("all no no"),
    "GET /v1/flags/{key}": may("all no no"),
    "GET /v1/flags/{key}/history": may("all no no"),
    "POST /v1/flags/{key}/evaluate": may("all no no"),
    "PUT /v1/flags/{key}": may("all no no", "", "flags.set"),
    "PATCH /v1/flags/{key}": may("all no no", "", "flags.change"),
    "POST /v1/flags/{key}/kill": may("all no no", "", "flags.kill"),
    "POST /v1/flags/{key}/restore": may("all no no", "", "flags.restore"),
    "POST /v1/flags/{key}/rollout": may("all no no", "", "flags.start-rollout"),
    "POST /v1/flags/{key}/rollout/stop": may("all no no", "", "flags.stop-rollout"),
    # -- the old door
    "POST /graphql": _SEE_RESPONSE._replace(
        body=querying,
        judge=in_graphql,
    ),
    "GET /v1/legacy/usage": may("all no no"),
    "GET /docs/graphql-migration": PUBLIC,
    # -- about the server
    "GET /health/live": PUBLIC,
    "GET /health/ready": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /problems": PUBLIC,
    "GET /problems/{code}": PUBLIC,
    "GET /.well-known/jwks.json": PUBLIC,
    # -- last, because nobody answers a form that is retired, and nobody pauses a monitor that has ended
    "DELETE /v1/monitors/{id}": may("all no no", "monitor", "monitors.delete"),
    "POST /v1/questionnaires/{id}/retire": may("all all no", "form", "questionnaires.retire"),
}

NOT_ASKED: dict[str, str] = {
    "tenants.create": "operators' command: `keepwell tenants create`",
    "tenants.close": "part of destroying a clinic's keys: `keepwell crypto`",
    "users.set-password": "operators' command: `keepwell users password`",
    "sessions.continue": "run by the door itself when a session in a cookie is used",
    "sessions.keep": "part of changing one's password: tests/domains/identity/test_passwords.py",
    "incidents.open": "by what the program notices: tests/domains/incidents, tests/domains/keys",
    **{
        f"notifications.{name}": "run by the notifier"
        for name in ("follow", "plan", "join", "begin", "record-sent", "record-failure")
    },
    "monitors.allow-private": "operators' command: `keepwell monitors allow-private`",
    **{f"schedules.{name}": "run by the worker" for name in ("begin-run", "end-run", "retime")},
    **{f"enrollment.{name}": "part of a retry of rows that did not come through" for name in ("reopen", "reopen-rows")},
    "factors.present": "part of a login, in the name of who gave the right password: tests/domains/factors",
    "factors.spend-ticket": "part of a login by a link or a provider: tests/domains/factors",
    "factors.add-passkey": "takes what a passkey signed: tests/domains/factors",
    "federated-identity.link": "part of the first login by a provider: tests/domains/factors",
    "flags.step-rollout": "run by the worker",
    "programs.recompute": "run by the worker",
    "programs.tell": "run by a scheduled task",
    "enrollment.forget-upload": "run by a scheduled task",
    **{f"enrollment.{name}": "run by the worker" for name in ("start", "finish", "record", "record-undone")},
    **{f"participants.{name}": "run by the worker, as who uploaded may" for name in ("enroll", "withdraw")},
    **{
        f"fhir.{what}-{kind}-condition": "part of a conditional create, with the permission to create that"
        for what in ("open", "claim")
        for kind in ("patient", "questionnaire", "questionnaireresponse")
    },
}
"""Commands that no row runs, and why."""
