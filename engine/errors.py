"""
Everything the engine raises, by whose fault it is. Those not here name their module.

* EngineError
    * CallerError: the request is wrong; asking again does not help.
        * UnknownIncidentError: no incident carries this id.
        * KeyTakenError: another open incident has the key.
        * ids.MalformedIdError: the text is not an id.
        * service.object_errors.ObjectError: an object cannot be changed like this.
            * service.object_errors.UnknownObjectError: there is no such object.
            * service.object_errors.ObjectExistsError: there is one already.
            * service.object_errors.InvalidObjectError: it names nobody, or the like.
            * service.object_errors.OwnedByFileError: a file says what it is.
            * service.object_errors.AlwaysThereError: it cannot be removed.
            * service.object_errors.LastAdminError: nobody could change anything.
    * TryAgainError: nothing is promised; asking again is safe, and may help.
        * StoreUnavailableError: Redis cannot be reached, or cannot write.
            * adapters.redis.client.AnswerLostError: it may have been written.
            * adapters.redis.client.NotReplicatedError: too few replicas have it.
        * OverloadedError: there is more to do than there is room for.
        * ContendedError: others kept moving the incident.
        * ConfigurationContendedError: others kept changing the configuration.
    * LookUpFailedError: it cannot be told who is on call.
        * adapters.lookups.static_file.ScheduleFileError: the file cannot be used.
    * service.guests.GuestError: a lookup or a channel of others did not do its part.
    * adapters.destinations.OutboundError: nothing came of a request to others.
        * adapters.destinations.RefusedUrlError: it may not be sent there.
        * adapters.destinations.CertificateError: somebody else listens there.
        * adapters.destinations.UnreachableError: there was no connection.
        * adapters.destinations.NoAnswerError: it may have arrived; nobody said so.
    * UnclearError: it may have been written or not; asking again is safe.
        * ConfigurationUnclearError: the same of configuration; look first.
    * UnreadableError: what is stored was written by a newer version, or is damaged.
    * adapters.redis.health.ShardsMismatchError: the store has other shards.
    * adapters.redis.client.RefusedError: Redis refused a command, and will again.
"""


class EngineError(Exception):
    """Base of every error the engine raises on purpose."""


class CallerError(EngineError):
    """The request is wrong; asking again does not help."""


class UnknownIncidentError(CallerError):
    """No incident carries this id."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(f"no incident has the id {incident_id!r}")
        self.incident_id = incident_id


class KeyTakenError(CallerError):
    """Another open incident has the dedup key."""

    def __init__(self, incident_id: str, key: str) -> None:
        super().__init__(f"{incident_id}: another open incident has the key {key!r}")
        self.incident_id = incident_id
        self.key = key


class TryAgainError(EngineError):
    """Nothing is promised; asking again is safe, and may help."""


class StoreUnavailableError(TryAgainError):
    """Redis cannot be reached, or cannot write."""


class OverloadedError(TryAgainError):
    """There is more to do than there is room for."""


class ContendedError(TryAgainError):
    """Others kept moving the incident."""

    def __init__(self, incident_id: str, attempts: int) -> None:
        super().__init__(f"{incident_id}: others moved it {attempts} times in a row")
        self.incident_id = incident_id
        self.attempts = attempts


class ConfigurationContendedError(TryAgainError):
    """Others kept changing the configuration; nothing was written."""

    def __init__(self, attempts: int) -> None:
        super().__init__(f"others changed the configuration {attempts} times in a row")
        self.attempts = attempts


class LookUpFailedError(EngineError):
    """It cannot be told who is on call."""


class UnclearError(EngineError):
    """It may have been written or not; asking again is safe."""


class ConfigurationUnclearError(UnclearError):
    """The configuration may have been changed or not; look before doing it again."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the configuration may have been changed or not: {problem}")


class UnreadableError(EngineError):
    """What is stored was written by a newer version, or is damaged."""

    def __init__(self, what: str, problem: str, *, is_newer: bool = False) -> None:
        super().__init__(f"{what}: {problem}")
        self.what = what
        self.is_newer = is_newer


def show_error(error: Exception) -> str:
    """
    Say what went wrong; of a stranger's error only its kind.

    What a library says of its errors may name addresses with secrets in them.
    """
    return str(error) if isinstance(error, EngineError) else type(error).__name__
