"""Channels: places that many read. Addresses and secrets are taken and not shown."""

from typing import Self

from typing_extensions import override

from engine.directory import ObjectKind, Place
from policies.targets import Name
from workers.web.api.objects.people import (
    SentAddress,
    SentSecrets,
    address_of,
    secrets_of,
)
from workers.web.api.objects.resource import NamedBody, ObjectAnswer, Resource, Shown


class PlaceBody(NamedBody):
    """A place that many read. A step calls all places of a kind `channels:kind`."""

    kind: Name
    channel: Name
    address: SentAddress = None
    secrets: SentSecrets = None
    has_address: Shown = None
    has_secrets: Shown = None

    @override
    def record(self, object_id: str, current: Place | None, secret: str) -> Place:
        return Place(
            id=object_id,
            name=self.name,
            kind=self.kind,
            channel=self.channel,
            address=address_of("address", self.channel, self.address, current),
            secrets=secrets_of(self.channel, self.secrets, current),
        )


class PlaceAnswer(ObjectAnswer):
    """A place that many read."""

    name: str
    kind: str
    channel: str
    address: None = None
    has_address: bool
    secrets: None = None
    has_secrets: bool

    @classmethod
    @override
    def of(cls, object_id: str, value: Place, origin: str | None) -> Self:
        return cls(
            id=object_id,
            name=value.name,
            kind=value.kind,
            channel=value.channel,
            has_address=bool(value.address),
            has_secrets=bool(value.secrets),
            origin=origin,
        )


PLACES = Resource(
    path="channels",
    kind=ObjectKind.PLACES,
    body=PlaceBody,
    answer=PlaceAnswer,
    example={
        "name": "War room",
        "kind": "chat",
        "channel": "webhook",
        "address": "https://chat.example.com/hooks/T1",
    },
)
