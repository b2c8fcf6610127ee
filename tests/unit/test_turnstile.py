"""One at a time, and never more than one in line."""

import anyio

from engine.service.turnstile import Turnstile


class Room:
    """What a turnstile leads to: it counts who is in, and lets out when told."""

    def __init__(self) -> None:
        self.entered = 0
        self.inside = 0
        self.inside_most = 0
        self.doors: list[anyio.Event] = []

    async def __call__(self) -> None:
        """Stay until the door is opened."""
        self.entered += 1
        self.inside += 1
        self.inside_most = max(self.inside_most, self.inside)
        door = anyio.Event()
        self.doors.append(door)
        try:
            await door.wait()
        finally:
            self.inside -= 1


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def test_one_at_a_time() -> None:
    """Of five who come one is in, one waits for it, and three go away again."""
    room = Room()
    turnstile = Turnstile(room)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turnstile.enter)
        await settle()
        for _ in range(4):
            tasks.start_soon(turnstile.enter)
        await settle()
        room.doors[0].set()
        await settle()
        room.doors[1].set()

    assert 2 == room.entered
    assert 1 == room.inside_most


async def test_cancelled_in_line() -> None:
    """Who gives up waiting keeps nobody else out."""
    room = Room()
    turnstile = Turnstile(room)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turnstile.enter)
        await settle()
        with anyio.move_on_after(0):
            await turnstile.enter()
        tasks.start_soon(turnstile.enter)
        await settle()
        room.doors[0].set()
        await settle()
        room.doors[1].set()

    assert 2 == room.entered


async def test_raises() -> None:
    """An action that fails leaves the way free."""
    calls: list[int] = []

    async def fail() -> None:
        calls.append(len(calls))
        raise ValueError

    turnstile = Turnstile(fail)
    for _ in range(2):
        try:
            await turnstile.enter()
        except ValueError:
            continue

    assert [0, 1] == calls


async def test_idle() -> None:
    """Idle returns when nobody is in any more."""
    room = Room()
    turnstile = Turnstile(room)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turnstile.enter)
        await settle()
        with anyio.move_on_after(0) as gave_up:
            await turnstile.idle()
        room.doors[0].set()
        await turnstile.idle()

    assert gave_up.cancelled_caught
    assert 0 == room.inside
