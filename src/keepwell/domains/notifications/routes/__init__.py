"""The HTTP door of channels and notifications. The answer that holds a secret is never compressed."""

import msgspec

from keepwell.domains.notifications.errors import INVALID_CHANNEL, NOTIFICATION_NOT_DEAD
from keepwell.domains.notifications.models.channels import ChangeChannel, ChannelView, CreateChannel, DeleteChannel
from keepwell.domains.notifications.models.notifications import NotificationView, RedriveNotification
from keepwell.domains.notifications.routes import examples
from keepwell.domains.notifications.routes.bodies import (
    ChannelChange,
    ChannelList,
    MadeChannel,
    NewChannel,
    NotificationList,
    NotificationPart,
)
from keepwell.domains.notifications.service import NotificationService
from keepwell.domains.notifications.service.keeping import Trial
from keepwell.kernel.http import Answer, Call, Endpoint, Part, answer, page_of, part_of
from keepwell.kit.ids import new_id

_TAG = "Notifications"


class _Channels:
    def __init__(self, service: NotificationService) -> None:
        self._keeper = service.keeper

    async def create(self, call: Call) -> Answer:
        body: NewChannel = call.body
        command = CreateChannel(new_id(), body.name, body.kind, body.url, body.rules)
        outcome, secret = await self._keeper.create(call.envelope(command))
        made = answer(outcome, 201, f"/v1/channels/{outcome.id}")
        shown = msgspec.json.decode(outcome.body) | {"secret": secret}
        return Answer(201, msgspec.convert(shown, MadeChannel), made.headers)

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._keeper.page(call.actor, call.origin)
        return Answer(200, ChannelList(*part_of(found, lambda one: one.id, part.limit, part.cursor)))

    async def show(self, call: Call) -> Answer:
        channel = await self._keeper.get(call.actor, call.id, call.origin)
        return Answer(200, channel, {"etag": f'"{channel.version}"'})

    async def change(self, call: Call) -> Answer:
        body: ChannelChange = call.body
        return answer(await self._keeper.change(call.envelope(ChangeChannel(call.id, body.patch))))

    async def delete(self, call: Call) -> Answer:
        outcome = await call.execute(DeleteChannel(call.id))
        return Answer(204, headers={"etag": f'"{outcome.version}"'})

    async def test(self, call: Call) -> Answer:
        return Answer(200, await self._keeper.test(call.actor, call.id, call.origin))


class _Notifications:
    def __init__(self, service: NotificationService) -> None:
        self._teller = service.teller

    async def page(self, call: Call) -> Answer:
        part: NotificationPart = call.query
        found = await self._teller.page(call.actor, call.origin, part.status, part.channel, part.cursor, part.limit + 1)
        return Answer(200, NotificationList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        notification = await self._teller.get(call.actor, call.id, call.origin)
        return Answer(200, notification, {"etag": f'"{notification.version}"'})

    async def redrive(self, call: Call) -> Answer:
        return answer(await call.execute(RedriveNotification(call.id)))


def endpoints(service: NotificationService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    channels = _Channels(service)
    return (*_channel_reads(channels), *_channel_changes(channels), *_notifications(_Notifications(service)))


def _channel_reads(channels: _Channels) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/channels",
            channels.page,
            "List the channels on which people are told of incidents",
            _TAG,
            query=Part,
            answers={200: ChannelList},
            compressed=True,
            example=examples.CHANNELS,
        ),
        Endpoint(
            "GET",
            "/v1/channels/{id}",
            channels.show,
            "Show a channel, without the secret parts of its address",
            _TAG,
            answers={200: ChannelView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
    )


def _channel_changes(channels: _Channels) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/channels",
            channels.create,
            "Make a channel; the secret of a webhook is shown this once",
            _TAG,
            body=NewChannel,
            answers={201: MadeChannel},
            problems=(INVALID_CHANNEL,),
            etag=True,
            compressed=False,
            example=examples.CREATE,
        ),
        Endpoint(
            "PATCH",
            "/v1/channels/{id}",
            channels.change,
            "Change a channel, pause it, let it go on",
            _TAG,
            body=ChannelChange,
            answers={200: ChannelView},
            problems=(INVALID_CHANNEL,),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.CHANGE,
        ),
        Endpoint(
            "DELETE",
            "/v1/channels/{id}",
            channels.delete,
            "Tell nothing on a channel any more",
            _TAG,
            answers={204: None},
            guarded=True,
            etag=True,
        ),
        Endpoint(
            "POST",
            "/v1/channels/{id}/test",
            channels.test,
            "Send something on a channel now, and say what came of it",
            _TAG,
            answers={200: Trial},
            idempotent=False,
            compressed=True,
            example=examples.TEST,
        ),
    )


def _notifications(notifications: _Notifications) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/notifications",
            notifications.page,
            "List what was told, waits, or was given up, the newest first",
            _TAG,
            query=NotificationPart,
            answers={200: NotificationList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/notifications/{id}",
            notifications.show,
            "Show what came of telling something",
            _TAG,
            answers={200: NotificationView},
            etag=True,
            compressed=True,
            example=examples.NOTIFICATION,
        ),
        Endpoint(
            "POST",
            "/v1/notifications/{id}/redrive",
            notifications.redrive,
            "Try again to tell what was given up",
            _TAG,
            answers={200: NotificationView},
            problems=(NOTIFICATION_NOT_DEAD,),
            etag=True,
            compressed=True,
            example=examples.REDRIVE,
        ),
    )
