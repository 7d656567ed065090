"""People changing their own password: the current one proves who asks, and no other session outlives it."""

from contextlib import suppress

from keepwell.domains.identity.errors import WRONG_PASSWORD
from keepwell.domains.identity.models import KeepSession, SetPassword, User
from keepwell.domains.identity.service.defence import Defence, Visit
from keepwell.domains.identity.service.hashing import Hashing
from keepwell.domains.identity.service.users import UserService
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refusal, Refused
from keepwell.kernel.problems import UNAUTHENTICATED

_SCOPES = ("system/User.u", "system/Session.uds")
"""What changing one's own password takes, whatever the role may do besides."""


class PasswordService:
    """Changes the password of who asks."""

    def __init__(self, kernel: Kernel, hashing: Hashing, users: UserService, defence: Defence) -> None:
        self._kernel = kernel
        self._hashing = hashing
        self._users = users
        self._defence = defence

    async def change(self, actor: Actor, current: str, new: str, origin: Origin, visit: Visit) -> None:
        """Replaces the password. The session that asks goes on, all others end in the same commit.

        Raises:
            Refused: `wrong-password`, `challenge-required`, `unsuitable-password`, `unauthenticated`, `overloaded`.
        """
        read = Read("user", actor.id, actor, origin, Permission("User", "r"), "password.change")
        user: User = (await self._kernel.read(read)).state
        with self._defence.trying(user.email, visit):
            await self._defence.admit(user.email, visit)
            if not await self._hashing.verify(user.password_hash, current):
                await self._defence.failed(user.email, visit)
                raise Refused(Refusal(WRONG_PASSWORD))
        names = (user.email, user.name)
        await self._users.require_suitable(new, names, actor, origin, "/new_password")
        command = SetPassword(user.id, await self._hashing.hash(new), user.password_set_at)
        await self._replace(Envelope(command, _owner(actor), origin), actor)

    async def _replace(self, setting: Envelope, actor: Actor) -> None:
        if actor.credential is None:
            raise Refused(Refusal(UNAUTHENTICATED))
        keeping = Envelope(KeepSession(actor.credential), setting.actor, setting.origin)
        for outcome in await self._kernel.execute([setting, keeping, *await self._others(setting, actor)], atomic=True):
            if outcome.refusal is not None:
                raise Refused(outcome.refusal)
        with suppress(Refused):  # who logged in between the search and the commit; what is missed, the next refresh ends
            await self._kernel.execute(await self._others(setting, actor))

    async def _others(self, setting: Envelope, actor: Actor) -> list[Envelope]:
        """What ends each live session of this person but the one that asks."""
        ends = await self._users.ends(setting, actor.id, "password-changed")
        return [each for each in ends if each.command.id != actor.credential]


def _owner(actor: Actor) -> Actor:
    """The person, allowed to change what is theirs. Their session is still checked with every command."""
    return Actor(actor.tenant, actor.id, actor.role, _SCOPES, actor.credential)
