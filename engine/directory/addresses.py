"""
Addresses on channels: of people and of places, and what they are signed with.

An address may hold a secret, so it is shown to nobody.
"""

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from engine.directory.record import Record
from policies.targets import Name

WEBHOOKS = "webhook"
SECRET_PREFIX, SECRET_BYTES_MIN, SECRET_BYTES_MAX = "whsec_", 24, 64
# While a secret is changed there are two; every one of them makes a signature.
SECRETS_MAX = 5
ADDRESS_MAX = 2_000
# Of a longer host the end counts: that is who runs it.
PROVIDER_LENGTH_MAX = 100
NOT_OF_A_HOST = re.compile(r"[^a-z0-9.-]")


def _is_signing_secret(text: str) -> str:
    """
    Return a secret of Standard Webhooks.

    Raises:
        ValueError: If it is none; it is not quoted.
    """
    coded = text.removeprefix(SECRET_PREFIX)
    try:
        size = len(base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if coded == text or not SECRET_BYTES_MIN <= size <= SECRET_BYTES_MAX:
        message = (
            f"a secret is {SECRET_PREFIX} and, in base64, {SECRET_BYTES_MIN} to "
            f"{SECRET_BYTES_MAX} random bytes"
        )
        raise ValueError(message)

    return text


SigningSecret = Annotated[str, AfterValidator(_is_signing_secret)]
Address = Annotated[str, Field(max_length=ADDRESS_MAX, repr=False)]
# The other side of a webhook checks signatures with it. They are not shown.
Secrets = Annotated[
    tuple[SigningSecret, ...],
    Field(max_length=SECRETS_MAX, repr=False),
]


class ContactMethod(Record):
    """
    One way to reach a person: an address on a channel.

    Attributes:
        secrets: What a webhook is signed with, the newest first.
    """

    id: Name
    channel: Name
    address: Address = ""
    secrets: Secrets = ()


class Place(Record):
    """
    A place that many read: a chat room, a webhook.

    Attributes:
        kind: What a step calls all places of this kind.
        channel: What it is reached by.
        secrets: What a webhook is signed with, the newest first.
    """

    id: Name
    name: str
    kind: Name
    channel: Name
    address: Address = ""
    secrets: Secrets = ()


def provider_of(channel: str, address: str) -> str:
    """
    Return who takes what is sent to an address; empty where that is one for them all.

    Of a webhook it is the host, and nothing else of the address, which may hold
    secrets. Only letters, digits, dots and hyphens are left: it is part of a key.
    """
    if channel != WEBHOOKS:
        return ""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""

    return NOT_OF_A_HOST.sub("-", host.rstrip("."))[-PROVIDER_LENGTH_MAX:]
