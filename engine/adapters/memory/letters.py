"""What is to be sent, in a dict: one letter for each notification."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from engine.core.effects import Send, Withdraw
from engine.ports import Delivery, Room, UnderWay


@dataclass
class Letter:
    """
    One notification that is to be sent.

    Attributes:
        at: When it is due; while somebody has it, the end of the lease.
        attempt: The latest; 0 before the first.
        begun: The attempt that began to send it; 0 if none did.
        rests: Whether the latest attempt is over and another one will be made.
    """

    incident_id: str
    send: Send
    at: datetime
    attempt: int = 0
    begun: int = 0
    is_withdrawn: bool = False
    rests: bool = False

    @property
    def name(self) -> tuple[str, str, int]:
        """What it is known by."""
        return self.incident_id, self.send.page, self.send.rule


@dataclass
class Line:
    """What is due with one provider, oldest first, and how many are under way."""

    timers: list[Letter] = field(default_factory=list[Letter])
    openings: list[Letter] = field(default_factory=list[Letter])
    under_way: UnderWay = field(default_factory=UnderWay)

    def add(self, letter: Letter) -> None:
        """Put one at the end."""
        (self.timers if letter.send.caused_by_timer else self.openings).append(letter)

    def take(self) -> Letter:
        """Take the next one: of the cause with fewer under way, else the older one."""
        count = self.under_way
        by_timer = bool(self.timers) and (
            not self.openings
            or (count.by_timer, self.timers[0].at)
            <= (count.by_opening, self.openings[0].at)
        )
        self.under_way = UnderWay(
            by_timer=count.by_timer + by_timer,
            by_opening=count.by_opening + (not by_timer),
        )

        return (self.timers if by_timer else self.openings).pop(0)

    def is_next(self, level: int) -> bool:
        """Tell whether one is due and so many are under way."""
        return self.under_way.count == level and bool(self.timers or self.openings)


class Letters:
    """All of them, by name."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str, int], Letter] = {}

    def put(self, incident_id: str, send: Send) -> None:
        """Add one."""
        letter = Letter(incident_id=incident_id, send=send, at=send.due)
        self._by_name[letter.name] = letter

    def of(self, delivery: Delivery) -> Letter | None:
        """Return the one that a delivery is of."""
        send = delivery.send

        return self._by_name.get((delivery.incident_id, send.page, send.rule))

    def drop(self, letter: Letter) -> None:
        """Forget one."""
        self._by_name.pop(letter.name, None)

    def withdraw(self, incident_id: str, effect: Withdraw) -> None:
        """Forget one, unless it has begun to leave: then it is only not tried again."""
        letter = self._by_name.get((incident_id, effect.page, effect.rule))
        if letter is not None and letter.begun:
            letter.is_withdrawn = True
        elif letter is not None:
            self.drop(letter)

    def next_due(self) -> datetime | None:
        """Return when the first one is due."""
        return min((letter.at for letter in self._by_name.values()), default=None)

    def due(self, room: Room, now: datetime) -> Iterator[Letter]:
        """Yield what is due on a channel, as far as there is room."""
        left = room.slots
        lines = self._lines(room, now)
        # Who has nothing under way takes one each, then who has one, and so on.
        for level in range(room.each):
            for line in lines:
                if level < left and line.is_next(level):
                    left -= 1
                    yield line.take()

    def _lines(self, room: Room, now: datetime) -> list[Line]:
        """Return each provider's line, whose first letter is the oldest first."""
        lines: dict[str, Line] = {}
        for letter in sorted(self._by_name.values(), key=lambda letter: letter.at):
            if letter.send.channel != room.channel or letter.at > now:
                continue
            if letter.is_withdrawn:
                self.drop(letter)
                continue
            name = letter.send.provider
            if name not in lines:
                known = room.under_way.get(name, UnderWay())
                lines[name] = Line(under_way=known)
            lines[name].add(letter)

        return list(lines.values())
