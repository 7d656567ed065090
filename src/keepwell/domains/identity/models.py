"""People who log in, and their sessions: states, commands, events, and what callers see of them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

Role = Literal["admin", "clinician", "patient"]
EndReason = Literal[
    "logout",
    "ended-by-user",
    "ended-by-admin",
    "user-disabled",
    "role-changed",
    "password-changed",
    "factor-changed",
    "refresh-token-reused",
]
Method = Literal["password", "magic-link", "oidc", "totp", "recovery-code", "passkey"]
"""How somebody proved who they are."""

LOGIN_RATE = "login"
REFRESH_RATE = "refresh"
"""The policies that log-ins and refreshes count under."""

# -- users ------------------------------------------------------------------------------------------------------------


class User(msgspec.Struct, frozen=True):
    """A person's account in one clinic. `password_hash` is an Argon2id PHC string, None until a password is set.

    `email_index` is the blind index of the normalised e-mail address under the installation-wide key: the directory finds
    accounts over all clinics by it.
    """

    id: UUID
    email: str
    email_index: bytes
    name: str
    role: Role
    created_at: datetime
    password_hash: str | None = None
    password_set_at: datetime | None = None
    active: bool = True


class CreateUser(Command, frozen=True):
    """Makes an account. The service has normalised the address and hashed the password."""

    email: str
    email_index: bytes
    name: str
    role: Role
    password_hash: str | None = None
    password_mark: bytes = b""
    """A keyed digest of the password: a retry hashes it with another salt, and must still be known as the same request."""


class ChangeUser(Command, frozen=True):
    """Changes what is given, leaves what is None."""

    name: str | None = None
    role: Role | None = None
    active: bool | None = None


class SetPassword(Command, frozen=True):
    """Replaces the password by one already hashed. `replaces` is when the one it replaces was set, where that was verified."""

    password_hash: str
    replaces: datetime | None = None


class UserCreated(msgspec.Struct, frozen=True, tag="user-created"):
    """The first entry of an account."""

    id: UUID
    email: str
    email_index: bytes
    name: str
    role: Role
    at: datetime
    password_hash: str | None = None


class UserRenamed(msgspec.Struct, frozen=True, tag="user-renamed"):
    """The person goes by another name."""

    name: str


class UserRoleChanged(msgspec.Struct, frozen=True, tag="user-role-changed"):
    """The person may do other things from now on."""

    role: Role


class UserDisabled(msgspec.Struct, frozen=True, tag="user-disabled"):
    """The person may not log in any more."""


class UserEnabled(msgspec.Struct, frozen=True, tag="user-enabled"):
    """The person may log in again."""


class PasswordSet(msgspec.Struct, frozen=True, tag="password-set"):
    """The password was replaced."""

    password_hash: str
    at: datetime


UserEvent = UserCreated | UserRenamed | UserRoleChanged | UserDisabled | UserEnabled | PasswordSet


class UserView(msgspec.Struct, frozen=True):
    """An account as its owner and administrators see it."""

    id: UUID
    email: str
    name: str
    role: Role
    active: bool
    created_at: datetime
    version: int


class UnusedUser(msgspec.Struct, frozen=True):
    """An account and when a session of it was last begun or refreshed; null: never."""

    user: UserView
    last_seen_at: datetime | None


# -- sessions ---------------------------------------------------------------------------------------------------------


class SessionLimits(msgspec.Struct, frozen=True):
    """How long a session lives, in seconds; fixed when it starts.

    `absolute` counts from login, `idle` from the latest refresh (NIST SP 800-63B-4, 2.2.3: at most 24 h and 1 h).
    `grace`: how long after a refresh the token it replaced still gets the current one again.
    """

    absolute: int = 12 * 3600
    idle: int = 3600
    grace: int = 60


class Session(msgspec.Struct, frozen=True):
    """One login of one person. It is the credential that the kernel checks with every command and read.

    `generation` counts the refresh tokens given out: the newest is the current one. `password_set_at` tells which password
    it began with, `methods` how its holder proved who they are, the latest time at `reauthenticated_at` if that was asked again.
    `emergency` is the emergency access it belongs to: then it may do more, and all of it is marked.
    """

    user: UUID
    role: Role
    started_at: datetime
    refreshed_at: datetime
    limits: SessionLimits
    generation: int = 0
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    password_set_at: datetime | None = None
    emergency: UUID | None = None
    methods: tuple[Method, ...] = ()
    reauthenticated_at: datetime | None = None


class StartSession(Command, frozen=True):
    """Logs a person in who has just proved who they are, while the account's password was the one set at `password_set_at`."""

    user: UUID
    password_set_at: datetime | None
    limits: SessionLimits
    methods: tuple[Method, ...] = ()


class StartEmergencySession(StartSession, frozen=True, kw_only=True):
    """Starts another session of a person who has one, which belongs to this emergency access."""

    emergency: UUID


class RefreshSession(Command, frozen=True):
    """Presents the refresh token of one generation. The service has verified that it is ours."""

    generation: int


class ReauthenticateSession(Command, frozen=True):
    """Its holder has proved once more who they are."""

    methods: tuple[Method, ...]


class ContinueSession(Command, frozen=True):
    """Says that the session is used, where no refresh token says so: in a browser that holds it in a cookie."""


class EndSession(Command, frozen=True):
    """Ends a session at once, on every node."""

    reason: EndReason


class KeepSession(Command, frozen=True):
    """Lets the session go on with the password its account has now: whoever holds it has just set that."""


class SessionStarted(msgspec.Struct, frozen=True, tag="session-started"):
    """Somebody logged in."""

    user: UUID
    role: Role
    limits: SessionLimits
    at: datetime
    password_set_at: datetime | None = None
    emergency: UUID | None = None
    methods: tuple[Method, ...] = ()


class SessionRefreshed(msgspec.Struct, frozen=True, tag="session-refreshed"):
    """The session goes on, with the role the person has now; a generation higher than before is that of a token given out."""

    generation: int
    role: Role
    at: datetime


class SessionReauthenticated(msgspec.Struct, frozen=True, tag="session-reauthenticated"):
    """Its holder proved once more who they are."""

    methods: tuple[Method, ...]
    at: datetime


class SessionEnded(msgspec.Struct, frozen=True, tag="session-ended"):
    """The session is over. `presented` is the generation of the refresh token that gave a theft away."""

    reason: EndReason
    at: datetime
    presented: int | None = None


class SessionKept(msgspec.Struct, frozen=True, tag="session-kept"):
    """The password was changed in this session: it goes on with the one set at `password_set_at`."""

    password_set_at: datetime | None


SessionEvent = SessionStarted | SessionKept | SessionRefreshed | SessionReauthenticated | SessionEnded


class SessionView(msgspec.Struct, frozen=True):
    """A session as the program answers about it; it holds no token and nothing one could be made of."""

    id: UUID
    user: UUID
    role: Role
    generation: int
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    emergency: UUID | None = None
    methods: tuple[Method, ...] = ()
