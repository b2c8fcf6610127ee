"""What `rung doctor` asks about replicas and Sentinels: whether a failover can succeed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.adapters.redis.addresses import Host
from engine.adapters.redis.client import Client
from engine.adapters.redis.health import Check
from engine.adapters.redis.sentinels import Answer, Sentinels
from engine.errors import EngineError

# A replica says once a second how far it is.
LAG_SECONDS_MAX = 3
SENTINELS_MIN = 3
ONLINE = "online"
FAULTY = ("is_sdown", "is_odown", "is_disconnected")
NOT_TOLD = "the server does not tell"


async def examine_replicas(client: Client, *, wanted: int) -> Sequence[Check]:
    """Look at the replicas of a primary; where none is, there is nothing to say."""
    told = await _asked(client, "INFO", "replication")
    replicas = [value for value in told.values() if isinstance(value, Mapping)]
    if not replicas:
        return []
    least = await _asked(client, "CONFIG GET", "min-replicas-to-write")

    return [_links(replicas), _promise(len(replicas), wanted), _least(least)]


def _links(replicas: Sequence[Mapping[str, Any]]) -> Check:
    faults = [fault for each in replicas for fault in _faults(each)]

    return Check(
        name="replica links",
        ok=not faults,
        is_fatal=False,
        detail="; ".join(faults) or f"{len(replicas)} online",
    )


def _faults(replica: Mapping[str, Any]) -> Iterator[str]:
    place = f"{replica['ip']}:{replica['port']}"
    if replica["state"] != ONLINE:
        yield f"{place} is not in sync ({replica['state']})"
    elif int(replica["lag"]) > LAG_SECONDS_MAX:
        yield f"{place} was silent for {replica['lag']} s"


def _promise(found: int, wanted: int) -> Check:
    return Check(
        name="replica promise",
        ok=wanted > 0,
        is_fatal=False,
        detail=f"{found} connected, RUNG_REPLICAS is {wanted}",
    )


def _least(config: Mapping[str, Any]) -> Check:
    told = str(config.get("min-replicas-to-write", ""))

    return Check(
        name="least replicas",
        ok=told != "0",
        is_fatal=False,
        is_known=bool(told),
        detail=f"min-replicas-to-write is {told}" if told else NOT_TOLD,
    )


async def examine_sentinels(sentinels: Sentinels | None, name: str) -> Sequence[Check]:
    """Look at all Sentinels that are named; without any there is nothing to say."""
    if sentinels is None:
        return []
    states = await sentinels.ask_each("SENTINEL MASTER", name)
    known = [one for one in states.values() if not isinstance(one, Exception)]
    checks = [_answering(states), _count(known, len(states))]
    if not known:
        return checks[:1]

    return [
        *checks,
        _agreeing(known),
        _quorum(await sentinels.ask_each("SENTINEL CKQUORUM", name)),
        _successors(await sentinels.ask_each("SENTINEL SLAVES", name)),
    ]


def _answering(states: Mapping[Host, Answer]) -> Check:
    silent = [
        f"{host}:{port}: {str(answer) or type(answer).__name__}"
        for (host, port), answer in states.items()
        if isinstance(answer, Exception)
    ]
    more = f" ({'; '.join(silent)})" if silent else ""

    return Check(
        name="sentinels",
        ok=not silent,
        is_fatal=False,
        detail=f"{len(states) - len(silent)} of {len(states)} answer{more}",
    )


def _count(known: Sequence[Mapping[str, Any]], named: int) -> Check:
    found = 1 + max(
        (int(state["num-other-sentinels"]) for state in known), default=named - 1
    )

    return Check(
        name="sentinel count",
        ok=found >= SENTINELS_MIN,
        is_fatal=False,
        detail=f"{found} know of each other, REDIS_URL names {named}",
    )


def _agreeing(known: Sequence[Mapping[str, Any]]) -> Check:
    primaries = {f"{state['ip']}:{state['port']}" for state in known}

    return Check(
        name="sentinel agreement",
        ok=len(primaries) == 1,
        is_fatal=False,
        detail=f"the primary is {' or '.join(sorted(primaries))}",
    )


def _quorum(answers: Mapping[Host, Answer]) -> Check:
    problems = {str(one) for one in answers.values() if isinstance(one, Exception)}
    can = any(not isinstance(one, Exception) for one in answers.values())

    return Check(
        name="sentinel quorum",
        ok=can,
        is_fatal=False,
        detail="can be reached" if can else "; ".join(sorted(problems)),
    )


def _successors(answers: Mapping[Host, Answer]) -> Check:
    replicas = [
        replica
        for answer in answers.values()
        if not isinstance(answer, Exception)
        for replica in answer
    ]
    able = {
        f"{one['ip']}:{one['port']}"
        for one in replicas
        if not any(one[fault] for fault in FAULTY)
    }

    return Check(
        name="sentinel replicas",
        ok=bool(able),
        is_fatal=False,
        detail=f"{len(able)} could take over",
    )


async def _asked(client: Client, *command: str) -> Mapping[str, Any]:
    """Ask a server about itself; a managed one may not answer."""
    try:
        answer: object = await client.ask(*command)
    except EngineError:
        return {}
    if not isinstance(answer, Mapping):
        return {}

    return {_text(key): _value(value) for key, value in answer.items()}


def _value(value: object) -> object:
    return value if isinstance(value, Mapping) else _text(value)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
