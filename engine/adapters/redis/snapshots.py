"""Policy snapshots: one blob for all incidents of a shard, parsed once a process."""

from collections.abc import Iterable

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, without_errors
from engine.codec import decode_snapshot
from engine.errors import UnreadableError
from policies.policy import Snapshot

CACHED_MAX = 1_000


class Snapshots:
    """Reads snapshots; the same hash is the same content, so nothing ever goes stale."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, Snapshot] = {}

    async def read(
        self, named: Iterable[tuple[str, str]]
    ) -> dict[str, Snapshot | UnreadableError]:
        """
        Return the snapshots by hash, or why one cannot be read.

        Args:
            named: Incident ids, each with the hash that its state names.

        Raises:
            StoreUnavailableError: If Redis cannot be reached.
        """
        wanted = {hashed: incident_id for incident_id, hashed in named}
        found: dict[str, Snapshot | UnreadableError] = {
            hashed: self._known[hashed] for hashed in wanted if hashed in self._known
        }
        unknown = [hashed for hashed in wanted if hashed not in found]
        bodies = await self._client.ask_each(
            [
                ("HGET", f"{keys.prefix_of(wanted[hashed])}snap", hashed)
                for hashed in unknown
            ]
        )
        for hashed, body in zip(unknown, without_errors(bodies), strict=True):
            found[hashed] = self._learn(hashed, body)

        return found

    def known(self, hashed: str) -> Snapshot | None:
        """Return a snapshot that this process has read or written before."""
        return self._known.get(hashed)

    def keep(self, snapshot: Snapshot) -> None:
        """Know a snapshot: it is stored."""
        if len(self._known) >= CACHED_MAX:
            self._known.clear()
        self._known[snapshot.hash] = snapshot

    def _learn(self, hashed: str, body: object) -> Snapshot | UnreadableError:
        if not isinstance(body, bytes):
            return UnreadableError("snapshot", f"{hashed} is missing: {body}")
        try:
            snapshot = decode_snapshot(body)
        except UnreadableError as error:
            return error
        self.keep(snapshot)

        return snapshot
