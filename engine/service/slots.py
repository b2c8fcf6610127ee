"""
Slots: how many notifications one process has under way, and how many more it may.

Each provider of a channel has its own, so that one that hangs stops nobody else; all
of a channel together have a bound too.
"""

from collections import Counter
from collections.abc import Iterable

from engine.ports import Delivery, Room, UnderWay

# So many at once with each provider: its own limits are lower, as a rule.
SLOTS = 20
# So many times that on a channel, however many providers it has.
PROVIDERS = 10


class Slots:
    """The slots of one process."""

    def __init__(self, channels: Iterable[str], each: int = SLOTS) -> None:
        self._channels = tuple(channels)
        self._each = each
        # A dict for its order; none of the values is ever looked at.
        self._taken: dict[Delivery, None] = {}

    @property
    def taken(self) -> tuple[Delivery, ...]:
        """What is under way."""
        return tuple(self._taken)

    def take(self, delivery: Delivery) -> None:
        """Note that a delivery is under way."""
        self._taken[delivery] = None

    def free(self, delivery: Delivery) -> None:
        """Note that it is over."""
        self._taken.pop(delivery, None)

    def rooms(self) -> list[Room]:
        """Return the channels with a free slot, and how many they have."""
        count = Counter(
            (one.send.channel, one.send.provider, one.send.caused_by_timer)
            for one in self._taken
            if one.send.channel in self._channels
        )
        providers: dict[str, dict[str, UnderWay]] = {
            name: {} for name in self._channels
        }
        for channel, provider, _ in count:
            providers[channel][provider] = UnderWay(
                by_timer=count[channel, provider, True],
                by_opening=count[channel, provider, False],
            )
        rooms = [
            Room(
                channel=channel,
                slots=PROVIDERS * self._each - sum(one.count for one in known.values()),
                each=self._each,
                under_way=known,
            )
            for channel, known in providers.items()
        ]

        return [room for room in rooms if room.slots > 0]
