"""Ids from the system's own randomness."""

import secrets
from datetime import datetime

from engine.ids import RANDOM_BITS, mint

COMMAND_BYTES = 16


class SecretIds:
    """
    Makes ids that nobody can guess the random part of.

    The few random bits of an incident's id only part those of one hundredth of a
    second; the store asks for another one if it is taken.
    """

    def incident_id(self, at: datetime, shard: int) -> str:
        """Return an id for an incident; the store may ask for another one."""
        return mint(at, shard, secrets.randbits(RANDOM_BITS))

    def command_id(self) -> str:
        """Return an id for a command or an alert whose sender gave none."""
        return secrets.token_hex(COMMAND_BYTES)
