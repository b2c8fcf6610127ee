"""Addresses: whom a notification is for, where that is, and who takes it there."""

from dataclasses import dataclass, field, replace

from engine.core.effects import Send
from engine.directory import Directory, provider_of
from engine.service.responders import PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whom a notification is for, and the address on its channel."""

    name: str
    address: str
    secrets: tuple[str, ...] = field(default=(), repr=False)


def reached(directory: Directory, send: Send) -> Reached | None:
    """Return who is reached, and where; None if the contact method is gone."""
    if send.person.startswith(PLACE):
        place = directory.places.get(send.method)
        if place is None:
            return None
        return Reached(name=place.name, address=place.address, secrets=place.secrets)
    user = directory.users.get(send.person)
    if user is None or not user.is_active:
        return None
    methods = (m for m in user.contact_methods if m.id == send.method)
    method = next(methods, None)
    if method is None:
        return None

    return Reached(name=user.name, address=method.address, secrets=method.secrets)


def with_provider(directory: Directory, send: Send) -> Send:
    """Say who takes it, as the address is now; one that is gone has nobody."""
    found = reached(directory, send)
    provider = provider_of(send.channel, found.address) if found else ""

    return replace(send, provider=provider) if provider else send
