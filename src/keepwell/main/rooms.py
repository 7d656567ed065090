"""Every room of the program, listed once: a room that is not here does not exist."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from keepwell.domains import (
    access,
    anomalies,
    audit,
    checks,
    crypto,
    enrollment,
    factors,
    fhir,
    flags,
    graphql,
    identity,
    incidents,
    keys,
    live,
    monitors,
    notifications,
    participants,
    programs,
    questionnaires,
    queue,
    reminders,
    responses,
    schedules,
    statuspages,
    tenants,
    vendors,
)
from keepwell.domains.access import errors as access_errors
from keepwell.domains.access import routes as access_routes
from keepwell.domains.anomalies import routes as anomaly_routes
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.checks import errors as check_errors
from keepwell.domains.checks import routes as check_routes
from keepwell.domains.crypto import errors as crypto_errors
from keepwell.domains.enrollment import errors as enrollment_errors
from keepwell.domains.enrollment import routes as enrollment_routes
from keepwell.domains.factors import errors as factor_errors
from keepwell.domains.factors import routes as factor_routes
from keepwell.domains.fhir import errors as fhir_errors
from keepwell.domains.fhir import routes as fhir_routes
from keepwell.domains.flags import errors as flag_errors
from keepwell.domains.flags import routes as flag_routes
from keepwell.domains.graphql import errors as graphql_errors
from keepwell.domains.identity import errors as identity_errors
from keepwell.domains.identity import routes as identity_routes
from keepwell.domains.incidents import errors as incident_errors
from keepwell.domains.incidents import routes as incident_routes
from keepwell.domains.keys import errors as key_errors
from keepwell.domains.keys import routes as key_routes
from keepwell.domains.live import errors as live_errors
from keepwell.domains.live import routes as live_routes
from keepwell.domains.monitors import errors as monitor_errors
from keepwell.domains.monitors import routes as monitor_routes
from keepwell.domains.notifications import errors as notification_errors
from keepwell.domains.notifications import routes as notification_routes
from keepwell.domains.participants import errors as participant_errors
from keepwell.domains.participants import routes as participant_routes
from keepwell.domains.programs import errors as program_errors
from keepwell.domains.programs import routes as program_routes
from keepwell.domains.questionnaires import errors as questionnaire_errors
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.domains.queue import errors as queue_errors
from keepwell.domains.queue import routes as queue_routes
from keepwell.domains.reminders import routes as reminder_routes
from keepwell.domains.responses import errors as response_errors
from keepwell.domains.responses import routes as response_routes
from keepwell.domains.schedules import errors as schedule_errors
from keepwell.domains.schedules import routes as schedule_routes
from keepwell.domains.statuspages import errors as status_page_errors
from keepwell.domains.statuspages import routes as status_page_routes
from keepwell.domains.tenants import errors as tenant_errors
from keepwell.domains.uploads import errors as upload_errors
from keepwell.domains.vendors import errors as vendor_errors
from keepwell.domains.vendors import routes as vendor_routes
from keepwell.kernel import Kernel, seen
from keepwell.kernel.aggregate import Catalog
from keepwell.kernel.envelope import Actor
from keepwell.kernel.http import Endpoint, ErrorShape, Socket
from keepwell.kernel.problems import ProblemType
from keepwell.kernel.tally import TallyKind
from keepwell.main.flags import FLAGS, LEGACY_GRAPHQL, MERGE_BY_DEFAULT
from keepwell.main.outages import outages
from keepwell.main.tasks import Services, tasks
from keepwell.platform.bus import Bus
from keepwell.platform.counts import Counts
from keepwell.platform.queue import Queue
from keepwell.platform.settings import Settings
from keepwell.platform.valkey import Valkey
from keepwell.web import status as web_status

PROBLEMS: tuple[ProblemType, ...] = (
    *tenant_errors.PROBLEMS,
    *crypto_errors.PROBLEMS,
    *identity_errors.PROBLEMS,
    *factor_errors.PROBLEMS,
    *questionnaire_errors.PROBLEMS,
    *response_errors.PROBLEMS,
    *participant_errors.PROBLEMS,
    *upload_errors.PROBLEMS,
    *program_errors.PROBLEMS,
    *enrollment_errors.PROBLEMS,
    *live_errors.PROBLEMS,
    *fhir_errors.PROBLEMS,
    *flag_errors.PROBLEMS,
    *graphql_errors.PROBLEMS,
    *incident_errors.PROBLEMS,
    *notification_errors.PROBLEMS,
    *key_errors.PROBLEMS,
    *monitor_errors.PROBLEMS,
    *check_errors.PROBLEMS,
    *access_errors.PROBLEMS,
    *vendor_errors.PROBLEMS,
    *schedule_errors.PROBLEMS,
    *queue_errors.PROBLEMS,
    *status_page_errors.PROBLEMS,
)
TALLIES: tuple[TallyKind, ...] = (seen.OUTCOMES, *flags.TALLIES, *graphql.TALLIES, *keys.TALLIES)
"""Everything that is counted, for who drops what was kept long enough."""


TAGS: Mapping[str, str] = {
    "Auth": "Logging in and out, one's own sessions, and who one is. None of these answers is ever compressed.",
    "Second factors": "What people prove with who they are besides a password, and what their clinic asks for: docs/login.md.",
    "Users": "The accounts of a clinic: an administrator makes, changes and disables them.",
    "Questionnaires": "FHIR R4 forms. A draft may change; published, it never does, and takes answers.",
    "Responses": "Answers to one form. Every version is kept; what was submitted can be amended, not edited.",
    "Participants": "The people a clinic knows. They are registered as FHIR Patients.",
    "Programs": "What people are enrolled in, from when to when, by the clinic's clocks or by each person's own.",
    "Enrollment": "Files of people become participants, row by row or all or none: see the project's docs/enrollment.md.",
    "FHIR R4": "The same forms, responses, participants and audit as FHIR resources: see the project's docs/fhir.md.",
    "Live": "One response as it changes, told to everybody who is there: see the project's docs/live.md, for the WebSocket too.",
    "Keys": "Keys by which programs come in. Each is shown once; a leaked one is revoked in one step: see docs/keys.md.",
    "Emergency access": "More than a role allows, for a short time and a reason; all of it marked, and reviewed by another.",
    "Status pages": "What a clinic shows everybody of how its services are and were.",
    "Vendors": "Who is given health information, and the agreements that allow it.",
    "Monitors": "What is watched, how, and when nothing is held against it: see the project's docs/monitors.md.",
    "Incidents": "What is wrong and who looks at it; one at a time about one thing.",
    "Notifications": "Who is told of incidents, where, and when not; what was told and what was not: see docs/notifications.md.",
    "Schedules": "What the clinic lets run by its own clocks: each instant once, and what was missed is told. See docs/jobs.md.",
    "Jobs": "Work that waits for a worker, and what failed for good: administrators may let it be tried again. See docs/jobs.md.",
    "Feature flags": "What is on for whom: administrators set it by percentage, by cohort, in steps, or not at all.",
    "Legacy": "The GraphQL door, for clients on their way to REST: who still uses it, and the way out.",
    "Audit": "Who did and saw what in the clinic.",
    "Health": "Whether this process and its parts work, for load balancers and Prometheus.",
}
"""What the operations of a tag have in common, for the document."""


def catalog() -> Catalog:
    """Every aggregate of the program."""
    rooms = (
        tenants,
        identity,
        factors,
        questionnaires,
        responses,
        participants,
        fhir,
        flags,
        incidents,
        notifications,
        keys,
        monitors,
        checks,
        statuspages,
        access,
        vendors,
        programs,
        enrollment,
        schedules,
    )
    return Catalog(tuple(aggregate for room in rooms for aggregate in room.AGGREGATES))


class Rooms:
    """The services of every room, over one kernel."""

    def __init__(self, kernel: Kernel, settings: Settings, valkey: Valkey, bus: Bus, jobs: Queue) -> None:
        self.tenants = tenants.TenantService(kernel)
        self.crypto = crypto.CryptoService(kernel, self.tenants, settings.access_token_lifetime_s)
        self.flags = flags.FlagService(kernel, self.tenants, FLAGS)
        parts = factors.FactorGate(kernel, _factors(settings))
        self.identity = identity.IdentityService(kernel, self.tenants, _identity(settings), Counts(valkey), parts.gate)
        self.factors = factors.FactorService(kernel, self.identity, parts)
        self.questionnaires = questionnaires.QuestionnaireService(kernel)
        merges_by_default = partial(self.flags.is_on, MERGE_BY_DEFAULT.key)
        self.responses = responses.ResponseService(kernel, self.questionnaires, merges_by_default)
        self.live = live.LiveService(kernel, self.responses, valkey, bus, _live(settings))
        self.participants = participants.ParticipantService(kernel)
        self.programs = programs.ProgramService(kernel)
        self.enrollment = enrollment.EnrollmentService(
            kernel, self.programs, self.participants, _enrollment(settings), enqueue=jobs.put
        )
        self.audit = audit.AuditService(kernel)
        self.incidents = incidents.IncidentService(kernel)
        self.notifications = notifications.NotificationService(kernel, self.incidents, _notifications(settings))
        self.stalls = enrollment.StallWatch(kernel, self.incidents, settings.enrollment_stall_s)
        self.keys = keys.KeyService(kernel, self.tenants, self.incidents, self.audit, settings.leak_keys_url)
        self.monitors = monitors.MonitorService(kernel, self.tenants, monitors.MonitorSettings(settings.monitor_allow_private))
        self.checks = checks.CheckService(kernel, self.monitors)
        self.anomalies = anomalies.AnomalyService(kernel, self.checks)
        self.status_pages = statuspages.StatusPageService(kernel, self.tenants, self.checks)
        self.access = access.AccessService(kernel, self.identity)
        self.vendors = vendors.VendorService(kernel)
        self.queue = queue.QueueService(kernel, jobs, self.incidents)
        ahead = timedelta(days=settings.reminder_days)
        self.reminders = reminders.ReminderService(kernel, self.programs, self.participants, self.responses, ahead)
        duties = Services(self.flags, self.programs, enrollment.Retention(kernel), self.queue, self.reminders)
        self.schedules = schedules.ScheduleService(kernel, tasks(duties, settings))
        self.fhir = fhir.FhirService(kernel, self.questionnaires, self.responses, self.participants, self.audit)
        self.graphql = graphql.GraphQLService(kernel, partial(self.flags.is_on, LEGACY_GRAPHQL.key))
        self._introspection = settings.graphql_introspection

    def authenticate(self, authorization: str) -> Actor:
        """Who an Authorization header speaks for; raises `Refused` when for nobody, `UndecidedError` to learn that."""
        token = identity.bearer(authorization)
        return self.keys.authenticate(token) if token.startswith(keys.PREFIX) else self.identity.tokens.verify(token)

    def presented(self, authorization: str) -> tuple[Actor, datetime]:
        """As `authenticate`, and the instant from which the header speaks for nobody any more. What a key is worth, the
        kernel asks by itself for as long as somebody listens.
        """
        token = identity.bearer(authorization)
        if token.startswith(keys.PREFIX):
            return self.keys.authenticate(token), _NEVER
        return self.identity.tokens.presented(token)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of every room."""
        from keepwell.domains.graphql import routes as graphql_routes  # noqa: PLC0415 - large, and only the API answers it

        records = (*questionnaire_routes.endpoints(self.questionnaires), *response_routes.endpoints(self.responses))
        return (
            *identity_routes.endpoints(self.identity),
            *factor_routes.endpoints(self.factors),
            *records,
            *live_routes.endpoints(self.live, self.presented),
            *participant_routes.endpoints(self.participants),
            *program_routes.endpoints(self.programs),
            *reminder_routes.endpoints(self.reminders),
            *enrollment_routes.endpoints(self.enrollment),
            *audit_routes.endpoints(self.audit),
            *fhir_routes.endpoints(self.fhir),
            *flag_routes.endpoints(self.flags),
            *incident_routes.endpoints(self.incidents),
            *notification_routes.endpoints(self.notifications),
            *key_routes.endpoints(self.keys),
            *monitor_routes.endpoints(self.monitors),
            *check_routes.endpoints(self.checks),
            *anomaly_routes.endpoints(self.anomalies),
            *status_page_routes.endpoints(self.status_pages),
            *web_status.endpoints(self.status_pages),
            *access_routes.endpoints(self.access),
            *vendor_routes.endpoints(self.vendors),
            *schedule_routes.endpoints(self.schedules),
            *queue_routes.endpoints(self.queue),
            *graphql_routes.endpoints(self.graphql, records, outages, introspection=self._introspection),
        )

    def shapes(self) -> Mapping[str, ErrorShape]:
        """Paths where refusals are told in another way than as problem documents."""
        from keepwell.domains.graphql import routes as graphql_routes  # noqa: PLC0415 - as for `endpoints`

        return {**fhir_routes.SHAPES, **graphql_routes.SHAPES}

    def sockets(self) -> tuple[Socket, ...]:
        """Every WebSocket of every room."""
        return live_routes.sockets(self.live, self.presented)

    async def open(self) -> None:
        """Starts what looks after those who stay connected."""
        await self.live.open()

    def drain(self) -> None:
        """Sends away who stays connected: the process is about to end."""
        self.live.drain()

    async def close(self) -> None:
        await self.live.close()
        await self.factors.close()
        self.keys.close()
        self.notifications.close()
        self.identity.close()


_NEVER = datetime(9999, 12, 31, tzinfo=UTC)


def _live(settings: Settings) -> live.LiveSettings:
    return live.LiveSettings(
        capacity=settings.room_capacity,
        connections=settings.room_connections,
        idle=settings.room_idle_s,
        pace=settings.room_messages_per_s,
    )


def _enrollment(settings: Settings) -> enrollment.EnrollmentSettings:
    return enrollment.EnrollmentSettings(
        rows=settings.enrollment_rows,
        open_batches=settings.enrollment_open_batches,
        at_once=settings.enrollment_at_once,
        stall=settings.enrollment_stall_s,
        tries=settings.enrollment_tries,
    )


def _factors(settings: Settings) -> factors.FactorSettings:
    smtp_url = None if settings.smtp_url is None else settings.smtp_url.get_secret_value()
    return factors.FactorSettings(settings.public_url, smtp_url, settings.mail_from, settings.oidc_allow_private)


def _notifications(settings: Settings) -> notifications.NotificationSettings:
    return notifications.NotificationSettings(settings.public_url, settings.monitor_allow_private)


def _identity(settings: Settings) -> identity.Settings:
    return identity.Settings(
        access_seconds=settings.access_token_lifetime_s,
        session=identity.SessionLimits(absolute=settings.session_lifetime_s, idle=settings.refresh_token_lifetime_s),
        hashing_queue=settings.password_hash_queue,
        defence=identity.DefenceSettings(settings.login_free_failures, settings.login_free_failures_address),
    )
