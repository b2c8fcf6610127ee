"""
The audit: an incident that got lost is found again, however long ago that was.

It goes through the index of open incidents of every shard, then through every mailbox
that there is: mail that opens an incident is in no index yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, Reply, without_errors
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.snapshots import Snapshots
from engine.codec import encode_snapshot
from engine.ids import show_incident_id
from engine.ports import Audited, Repair

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SLICE_MAX = 500
# What holds an incident longer than a lease is a pause: a minute at most.
LEASE_MS_MAX = 60_000
# Mailboxes are few among the keys, and looking at a key is cheap.
SCANNED_MAX = 2_000
MAILBOXES = "{rung:*}:m:*"
INDEX, SCAN = "index", "scan"
FIRST_OF_INDEX = "-inf"
# Of the whole, the index counts for so much.
INDEX_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """
    Where an audit goes on.

    Attributes:
        number: The shard; of the scan, how many slices are behind it.
        cursor: The last incident of the index; of the scan, what Redis calls so.
    """

    part: str = INDEX
    number: int = 0
    cursor: str = FIRST_OF_INDEX

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read what `str` wrote; nothing is the beginning."""
        if text is None:
            return cls()
        part, number, cursor = text.split(" ", 2)

        return cls(part=part, number=int(number), cursor=cursor)

    def written(self) -> str:
        """Write it down for the next slice."""
        return f"{self.part} {self.number} {self.cursor}"


class Audit:
    """Audits one primary."""

    def __init__(self, client: Client, snapshots: Snapshots, *, shards: int) -> None:
        """Wire it up; what is missing is looked for among these snapshots."""
        self._client = client
        self._snapshots = snapshots
        self._shards = shards

    async def audit(self, after: str | None) -> Audited:
        """Check one slice, and put right what is wrong."""
        position = Position.read(after)
        if position.part == INDEX:
            return await self._look_at_index(position)

        return await self._look_at_mailboxes(position)

    async def _look_at_index(self, position: Position) -> Audited:
        prefix = keys.prefix(position.number)
        found = await self._client.run(
            Name.AUDIT, prefix, position.cursor, SLICE_MAX, LEASE_MS_MAX
        )
        mail, due, index, missing, last, left, count = found
        restored = await self._restore(prefix, missing)
        share = 1 - left / count if left else 1
        following = replace(position, cursor=last.decode())
        if not left:
            following = Position(number=position.number + 1)
        if following.number == self._shards:
            following = Position(part=SCAN, cursor="0")

        return Audited(
            repaired=_counts(
                mail=mail, due=due, index=index, missing=len(missing), restored=restored
            ),
            done=INDEX_SHARE * (position.number + share) / self._shards,
            after=following.written(),
        )

    async def _look_at_mailboxes(self, position: Position) -> Audited:
        cursor, names = await self._client.ask(
            "SCAN", position.cursor, "MATCH", MAILBOXES, "COUNT", SCANNED_MAX
        )
        mail, due = await self._look_at([name.decode() for name in names])
        repaired = _counts(mail=mail, due=due)
        if int(cursor) == 0:
            return Audited(repaired=repaired, done=1, overdue=await self._overdue())
        scanned = (position.number + 1) * SCANNED_MAX
        count = max(await self._client.ask("DBSIZE"), scanned)

        return Audited(
            repaired=repaired,
            done=INDEX_SHARE + (1 - INDEX_SHARE) * scanned / count,
            after=Position(
                part=SCAN, number=position.number + 1, cursor=str(int(cursor))
            ).written(),
        )

    async def _look_at(self, names: Sequence[str]) -> tuple[int, int]:
        """Look at the incidents of these mailboxes; count repairs of both lanes."""
        by_prefix: dict[str, list[str]] = {}
        for name in names:
            prefix, incident_id = name.split("m:", 1)
            by_prefix.setdefault(prefix, []).append(incident_id)
        replies = await self._client.run_all(
            Name.AUDIT,
            [
                (prefix, "", 0, LEASE_MS_MAX, *incident_ids)
                for prefix, incident_ids in by_prefix.items()
            ],
        )
        counts = without_errors(replies)

        return sum(mail for mail, *_ in counts), sum(due for _, due, *_ in counts)

    async def _restore(self, prefix: str, missing: Sequence[Reply]) -> int:
        """Write back the snapshots that this process knows; count them."""
        count = 0
        for incident_id, hashed in missing:
            snapshot = self._snapshots.known(hashed.decode())
            if snapshot is not None:
                body = encode_snapshot(snapshot)
                await self._client.run(Name.RESTORE, prefix, incident_id, hashed, body)
                count += 1
                continue
            log.error(
                "snapshot.lost",
                incident_id=show_incident_id(incident_id.decode()),
                snapshot=hashed.decode(),
            )

        return count

    async def _overdue(self) -> dict[str, timedelta]:
        heads = await self._client.run(Name.HEADS, self._shards)

        return {name.decode(): timedelta(milliseconds=ms) for name, ms in heads}


def _counts(
    *, mail: int, due: int, index: int = 0, missing: int = 0, restored: int = 0
) -> dict[Repair, int]:
    counts = {
        Repair.MAIL: mail,
        Repair.DUE: due,
        Repair.INDEX: index,
        Repair.SNAPSHOT: restored,
        Repair.LOST: missing - restored,
    }

    return {repair: count for repair, count in counts.items() if count}
