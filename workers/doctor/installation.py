"""What can be said with Redis: the server, the directory, workers and the audit."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import anyio

from engine.directory import Directory, ObjectKind
from engine.directory.checks import Checks
from engine.errors import show_error
from engine.ports import Counted, Mark
from policies.localtime import zone_of
from policies.policy import Policy
from workers.bootstrap import Installation
from workers.doctor.findings import Finding, Verdict, fine, judged, unsure, wrong
from workers.settings import Settings

# What to do about a check of the server that fails, by its name.
REMEDIES = {
    "redis": "start Redis, or correct REDIS_URL; its own log may say more",
    "version": "use Redis 6.2, Valkey, or newer",
    "persistence": "set appendonly yes: a restart of Redis loses incidents",
    "fsync": "set appendfsync everysec, or always: see docs/operating.md",
    "eviction": "set maxmemory-policy noeviction: others throw incidents away",
    "memory limit": "set maxmemory, or RUNG_MEMORY_LIMIT: nothing is refused in time",
    "memory": "give Redis more memory, or set a shorter RUNG_RETENTION",
    "latency": "look at the network, and at what else this Redis does",
    "skew": "set the clocks right (NTP): the logs of this machine are off",
    "replicas": "start replicas, or set RUNG_REPLICAS to how many there are",
    "shards": "set RUNG_SHARDS to what the store was made with",
    "replica links": "look at the replica and its network: until it is in sync, a "
    "failover to it would lose incidents",
    "replica promise": "set RUNG_REPLICAS=1: what is answered meanwhile is lost when a "
    "replica takes over that has not got it",
    "least replicas": "set min-replicas-to-write 1: a primary that was cut off goes on "
    "taking what is lost later",
    "sentinels": "start those that do not answer, or correct REDIS_URL",
    "sentinel count": "run three Sentinels or more, each on a machine of its own, and "
    "name them in REDIS_URL: two cannot agree when one is lost",
    "sentinel agreement": "wait until a failover is over; if it lasts, look at the "
    "network between the Sentinels",
    "sentinel quorum": "start Sentinels, or lower their quorum: nobody would take over",
    "sentinel replicas": "start a replica: nobody could take over",
    "overdue": "start workers, or look at their log: pages wait",
}
NOT_REACHED = "redis"
WORKER_SILENT = timedelta(seconds=30)
AUDIT_AGE_MAX = timedelta(minutes=5)
PROBLEMS_MAX = 10
HEARTBEAT_SECONDS_MAX = 10
START_WORKER = "start `rung worker`, two or more of them"


async def look_at_server(installation: Installation) -> list[Finding]:
    """Look at the server, and at its Sentinels, also if it is not reached."""
    return [
        judged(check.name, check.detail, REMEDIES[check.name], is_fine=check.ok)
        if check.is_known
        else unsure(check.name, check.detail, REMEDIES[check.name])
        for check in await installation.examine()
    ]


def is_reached(findings: Sequence[Finding]) -> bool:
    """Tell whether the server was there."""
    return not any(
        one.check == NOT_REACHED and one.verdict is Verdict.FINDING for one in findings
    )


async def look_at_store(
    installation: Installation, settings: Settings
) -> list[Finding]:
    """
    Look at what is stored.

    Raises:
        EngineError: If it cannot be read.
    """
    directory = await installation.configuration.latest()
    counted = await installation.totals.read()
    now = installation.clock.now()

    return [
        *look_at_directory(directory, has_schedules=settings.has_schedules),
        _workers(counted, now),
        _audit(counted, now),
    ]


def look_at_directory(
    directory: Directory, *, has_schedules: bool
) -> Iterator[Finding]:
    """Look at the configuration: whether alerts find their way, and somebody."""
    if directory == Directory():
        yield wrong(
            "directory",
            "is empty",
            "apply your files, or run `rung up` once with this REDIS_URL for a demo",
        )
        return
    yield fine("directory", f"version {directory.version}")
    yield judged(
        "integrations",
        f"{len(directory.integrations)} of them",
        "add an integration: alerts have no address",
        is_fine=bool(directory.integrations),
    )
    yield judged(
        "catch-all",
        directory.catch_all or "is not set",
        "set catch_all to a policy: it pages when nobody else was reached",
        is_fine=directory.catch_all in directory.policies,
    )
    problems = list(_problems(Checks(directory=directory, has_schedules=has_schedules)))
    yield judged(
        "references",
        "; ".join(problems[:PROBLEMS_MAX]) or "all lead somewhere",
        "correct the objects that are named",
        is_fine=not problems,
    )
    yield _zones(directory)


def _problems(checks: Checks) -> Iterator[str]:
    for kind in ObjectKind:
        # A token is known by a hash, and nobody is paged by it.
        names = [] if kind is ObjectKind.TOKENS else checks.directory.objects(kind)
        for name in names:
            for problem in checks.problems(kind, name):
                yield f"{kind.value}/{name} {problem.path}: {problem.problem}"


def _zones(directory: Directory) -> Finding:
    zones = sorted({zone for each in directory.policies.values() for zone in _in(each)})
    unknown = []
    for zone in zones:
        try:
            zone_of(zone)
        except ValueError:
            unknown.append(zone)

    return judged(
        "zones",
        f"unknown: {', '.join(unknown)}" if unknown else f"{len(zones)} in policies",
        "install a tzdata package that has them",
        is_fine=not unknown,
    )


def _in(policy: Policy) -> Iterator[str]:
    for step in policy.steps:
        window = getattr(step, "window", None)
        zone = getattr(window, "zone", None) or getattr(step, "zone", None)
        if isinstance(zone, str):
            yield zone


def _workers(counted: Counted, now: datetime) -> Finding:
    seen = [
        at
        for (name, _), at in counted.marks.items()
        if name == Mark.HEARTBEAT and at is not None
    ]
    live = sum(now - at <= WORKER_SILENT for at in seen)
    silent = len(seen) - live
    more = f", {silent} silent" if silent else ""

    return judged("workers", f"{live} live{more}", START_WORKER, is_fine=live > 0)


def _audit(counted: Counted, now: datetime) -> Finding:
    audited_at = counted.marks.get((Mark.AUDIT, ()))
    if audited_at is None:
        return unsure("audit", "none so far", "the first takes a minute")
    age = now - audited_at

    return judged(
        "audit",
        f"{int(age.total_seconds())} s ago",
        f"{START_WORKER}; if they run, look for upkeep.failed in their log",
        is_fine=age <= AUDIT_AGE_MAX,
    )


async def ask_heartbeat(installation: Installation) -> Finding:
    """Ask for the heartbeat's address, once."""
    heartbeat = installation.caretaker.heartbeat
    if heartbeat is None:
        return unsure("heartbeat answer", "no address is set", "set RUNG_HEARTBEAT_URL")
    try:
        with anyio.fail_after(HEARTBEAT_SECONDS_MAX):
            await heartbeat.ping()
    except TimeoutError:
        problem = f"no answer within {HEARTBEAT_SECONDS_MAX} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        problem = show_error(error)
    else:
        return fine("heartbeat answer", "was asked, and answered")
    remedy = "correct RUNG_HEARTBEAT_URL; an internal one needs RUNG_WEBHOOK_ALLOW"

    return wrong("heartbeat answer", problem, remedy)


def not_reached(error: Exception) -> Finding:
    """Say that there is no Redis to look at."""
    return wrong(NOT_REACHED, str(error), REMEDIES[NOT_REACHED])
