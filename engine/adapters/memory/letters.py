"""What is to be sent, in a dict: one letter for each notification."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.core.effects import Send, Withdraw
from engine.ports import Delivery


@dataclass
class Letter:
    """
    One notification that is to be sent.

    Attributes:
        at: When it is due; while somebody has it, the end of the lease.
        attempt: The latest; 0 before the first.
        begun: The attempt that began to send it; 0 if none did.
    """

    incident_id: str
    send: Send
    at: datetime
    attempt: int = 0
    begun: int = 0
    is_withdrawn: bool = False

    @property
    def name(self) -> tuple[str, str, int]:
        """What it is known by."""
        return self.incident_id, self.send.page, self.send.rule


class Letters:
    """All of them, by name."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str, int], Letter] = {}
        # Whose turn it is on a channel: one slot at a time must not starve a cause.
        self._is_timers_turn: dict[str, bool] = {}

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

    def due(self, channel: str, now: datetime) -> Iterator[Letter]:
        """Yield what is due on a channel, one caused by a timer, one by an opening."""
        by_cause: dict[bool, list[Letter]] = {True: [], False: []}
        for letter in sorted(self._by_name.values(), key=lambda letter: letter.at):
            if letter.send.channel == channel and letter.at <= now:
                by_cause[letter.send.caused_by_timer].append(letter)
        turn = self._is_timers_turn.get(channel, True)
        self._is_timers_turn[channel] = not turn
        while by_cause[True] or by_cause[False]:
            yield from by_cause[turn][:1]
            del by_cause[turn][:1]
            turn = not turn
