"""
Memory: what an open incident takes of Redis, and a worker of the machine.

10,000 incidents of one alert each walk a typical policy of four steps to its end, in
virtual time, by the product's engine, couriers and store on a real Redis: notify,
wait, notify, wait, where each person has a push at once and a text message two minutes
later, and nobody answers. They stay open, exhausted, with all of their history. Then
the upkeep packs it, as it does with that of any incident that rests for a minute.

`bytes_per_incident` is by how much `used_memory` has grown, all keys and all that Redis
needs to keep them included, over their number. `bytes_unpacked` is the same before
the upkeep came round: the most that it takes.

`bytes_by_kind` is what MEMORY USAGE says of the keys of each kind: it leaves out the
tables that find them. The raw payloads of senders are not kept; what is of them, an
alert's labels and texts (`{rung:<s>}:a:*`), is counted.

`worker_mib` is the resident memory of a `rung worker` beside them after some seconds.
"""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import redis

from benchmarks.options import Figures, Options
from benchmarks.progress import counted, say
from benchmarks.stage.directory import directory_with
from benchmarks.stage.filling import NEVER_SAVED, routed
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.usage import resident_mebibytes
from benchmarks.stage.virtual import VirtualProcess, a_virtual_process
from benchmarks.targets import at_most, none_of
from engine.adapters.redis.keys import row_of
from engine.directory import Directory, NotificationRule

INCIDENTS, BYTES_MAX = 10_000, 3_000
# Scripts, the policy and empty lists are there before: they are not of an incident.
FIRST, BATCH = 16, 500
PUSH, SMS = "push", "sms"
SMS_AFTER, FIRST_WAIT, SECOND_WAIT = (timedelta(minutes=m) for m in (2, 5, 15))
POLICY = (
    {"kind": "notify", "targets": ["schedule:primary"]},
    {"kind": "wait", "duration": "5m"},
    {"kind": "notify", "targets": ["schedule:secondary"]},
    {"kind": "wait", "duration": "15m"},
)
# So long from one thing that is due to the next; then a little for who came later.
JUMPS = (SMS_AFTER, FIRST_WAIT - SMS_AFTER, SMS_AFTER, SECOND_WAIT - SMS_AFTER)
LATER = timedelta(seconds=10)
PAGES_EACH = 4
WORKER_SECONDS = 5.0
KEYS_AT_ONCE = 1_000


def measure(options: Options) -> Figures:  # noqa: ARG001 - it takes what it takes
    """
    Measure.

    Args:
        options: None of them changes it.

    Returns:
        Bytes an incident, by kind of key too; mebibytes of a worker.
    """
    with a_stage(typical_directory()) as stage:
        figures = measure_on(stage, INCIDENTS)
        figures["redis"] = stage.told()
    per_incident = None if figures["pages_missing"] else figures["bytes_per_incident"]

    return figures | {
        "targets": {
            "an open incident": at_most(BYTES_MAX, per_incident, "bytes"),
            "lost": none_of(figures["pages_missing"], "page lost"),
        }
    }


def typical_directory() -> Directory:
    """Return the demo's people, each with a push and a text message after it."""
    directory = directory_with({"default": POLICY}, (PUSH, SMS))
    rules = {
        name: (
            NotificationRule(method=f"{name}-{PUSH}"),
            NotificationRule(method=f"{name}-{SMS}", delay=SMS_AFTER),
        )
        for name in directory.users
    }
    users = {
        name: user.model_copy(update={"rules": {"high": rules[name]}})
        for name, user in directory.users.items()
    }

    return directory.model_copy(update={"users": users})


def measure_on(
    stage: Stage, incidents: int, worker_seconds: float = WORKER_SECONDS
) -> Figures:
    """Measure with so many incidents."""
    say(f"memory: {incidents:,} incidents walk their policy in virtual time")
    # In the end it is now: a worker finds nothing that will be due for long.
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    stage.set_fsync(NEVER_SAVED)
    walk = partial(_walk, stage, at)
    anyio.run(walk, [f"first-{n}" for n in range(FIRST)])
    anyio.run(_pack, stage, at + timedelta(hours=1))
    before = _used(stage)
    names = [f"incident-{number}" for number in range(incidents)]
    sent = anyio.run(walk, names, backend_options={"use_uvloop": True})
    unpacked = _used(stage) - before
    packed = anyio.run(_pack, stage, at + timedelta(hours=1))
    grown = _used(stage) - before
    kinds, events = _by_kind(stage, incidents + FIRST)
    stage.set_fsync(stage.appendfsync)
    worker = stage.worker()
    time.sleep(worker_seconds)

    return {
        "incidents": incidents,
        "pages_missing": incidents * PAGES_EACH - sent,
        "history_entries": events,
        "histories_packed": packed,
        "bytes_unpacked": round(unpacked / incidents),
        "bytes_per_incident": round(grown / incidents),
        "bytes_by_kind": kinds,
        "worker_mib": resident_mebibytes(worker.process.pid),
    }


async def _walk(stage: Stage, at: datetime, names: list[str]) -> int:
    """Have incidents walk to their end, and return how many pages were taken."""
    async with a_virtual_process(
        stage.server.url, typical_directory(), (PUSH, SMS), at
    ) as process:
        with counted(f"{len(names):,} incidents walk") as told:
            parts = len(JUMPS) + 1
            for begun in range(0, len(names), BATCH):
                batch = names[begun : begun + BATCH]
                await process.take_in([routed(name) for name in batch])
                told(begun + len(batch), len(names) * parts)
            for number, jump in enumerate(JUMPS, start=1):
                await _jump(process, jump)
                told(len(names) * (number + 1), len(names) * parts)

        return process.sent


async def _pack(stage: Stage, at: datetime) -> int:
    """Do at a time what the upkeep does, and count it."""
    async with a_virtual_process(
        stage.server.url, typical_directory(), (PUSH, SMS), at
    ) as process:
        return await process.pack()


async def _jump(process: VirtualProcess, jump: timedelta) -> None:
    """Go where the next thing is due of all incidents, and a little on."""
    await process.advance(jump)
    await process.go_on()
    await process.advance(LATER)
    await process.go_on()


def _used(stage: Stage) -> int:
    with redis.Redis(port=stage.server.port) as client:
        used: int = client.info("memory")["used_memory"]

    return used


def _by_kind(stage: Stage, incidents: int) -> tuple[dict[str, int], float]:
    """Return bytes an incident by kind of key, and how long a history is."""
    found: Counter[str] = Counter()
    entries = 0
    with redis.Redis(port=stage.server.port) as client:
        names = list(client.scan_iter(count=KEYS_AT_ONCE))
        for begun in range(0, len(names), KEYS_AT_ONCE):
            part = names[begun : begun + KEYS_AT_ONCE]
            asked = client.pipeline(transaction=False)
            for name in part:
                asked.memory_usage(name, samples=0)
            for name, size in zip(part, asked.execute(), strict=True):
                row = row_of(name.decode())
                found[row.pattern if row else "another"] += size
        for name in client.scan_iter(match="{rung:*}:i:*", count=KEYS_AT_ONCE):
            entries += int(client.hget(name, "n"))

    return (
        {kind: round(size / incidents) for kind, size in found.most_common()},
        round(entries / incidents, 1),
    )
