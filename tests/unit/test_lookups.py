"""Who is on call, by file and by table."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.adapters.lookups.static_file import ScheduleFileError, StaticFileLookup
from engine.adapters.lookups.table import TableLookup
from engine.directory import Directory
from engine.errors import LookUpFailedError, StoreUnavailableError
from engine.ports import OnCallReason
from policies.targets import ScheduleTarget, UserTarget

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRIMARY = ScheduleTarget(id="primary")
GOOD = "schedules:\n  primary: [alice, bob]\n  manager:\n    - carol\n"


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        """Return the time it was moved to."""
        return self.at

    async def sleep_until(self, at: datetime) -> None:
        """Move to a time."""
        self.at = max(self.at, at)


class Fixed:
    """A configuration that never changes; without a directory it was never read."""

    def __init__(self, directory: Directory | None) -> None:
        self._directory = directory

    async def read(self) -> Directory:
        """Return the directory."""
        if self._directory is None:
            message = "Redis is away"
            raise StoreUnavailableError(message)

        return self._directory

    async def latest(self) -> Directory:
        """Return the directory."""
        return await self.read()

    async def seed(self, directory: Directory) -> bool:
        """Store nothing."""
        return directory is self._directory

    async def change(self, before: Directory, after: Directory) -> bool:
        """Change nothing."""
        return before is after


class Edited:
    """A file of schedules under an editor, and the lookup that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self.lookup = StaticFileLookup(path, self.clock)
        self._edits = 0

    def write(self, text: str) -> None:
        """Change the file, one second later than the change before."""
        self._edits += 1
        self.path.write_text(text, encoding="utf-8")
        os.utime(self.path, (self._edits, self._edits))

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.at += timedelta(seconds=seconds)

    async def primary(self) -> tuple[str, ...]:
        """Say who is on call in the primary schedule."""
        return (await self.lookup.who(PRIMARY, self.clock.at)).people


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    """Return a file that does not exist yet."""
    return Edited(tmp_path / "on_call.yaml")


async def test_schedule(edited: Edited) -> None:
    """Everybody listed in a schedule is on call, in this order."""
    edited.write(GOOD)
    found = await edited.lookup.who(PRIMARY, NOW)

    assert ("alice", "bob") == found.people
    assert OnCallReason.FIXED_SHIFT == found.reason
    assert str(edited.path) == found.source


async def test_unknown_schedule(edited: Edited) -> None:
    """A schedule that is not listed has nobody on call; that is an answer."""
    edited.write(GOOD)
    found = await edited.lookup.who(ScheduleTarget(id="night"), NOW)

    assert () == found.people
    assert OnCallReason.NONE == found.reason


async def test_user(edited: Edited) -> None:
    """A person stands for themselves, on call or not."""
    edited.write(GOOD)
    found = await edited.lookup.who(UserTarget(id="zoe"), NOW)

    assert ("zoe",) == found.people


async def test_listed_twice(edited: Edited) -> None:
    """Nobody is on call twice."""
    edited.write("schedules: {primary: [bob, alice, bob]}")

    assert ("bob", "alice") == await edited.primary()


async def test_plain_words(edited: Edited) -> None:
    """Ids are taken as they are written: `no` and `007` are people, not values."""
    edited.write("schedules: {primary: [no, 007, 1.0]}")

    assert ("no", "007", "1.0") == await edited.primary()


async def test_edit(edited: Edited) -> None:
    """An edit counts after a second at the latest, and the file is not asked before."""
    edited.write(GOOD)
    before = await edited.primary()
    edited.write("schedules: {primary: [carol]}")
    edited.passes(0.9)
    meanwhile = await edited.primary()
    edited.passes(0.2)
    after = await edited.primary()

    assert (("alice", "bob"), ("alice", "bob"), ("carol",)) == (
        before,
        meanwhile,
        after,
    )


async def test_broken_by_an_edit(edited: Edited) -> None:
    """A broken file is named in the log once; the last good one goes on."""
    edited.write(GOOD)
    await edited.primary()
    edited.write("schedules: {primary: [alice")
    with capture_logs() as logs:
        for _ in range(3):
            edited.passes(2)
            await edited.primary()

    assert ("alice", "bob") == await edited.primary()
    assert ["schedule_file.refused"] == [line["event"] for line in logs]
    assert f"{edited.path}:1: not YAML" in logs[0]["error"]


async def test_removed(edited: Edited) -> None:
    """A file that was removed leaves the last good answer; a new one counts again."""
    edited.write(GOOD)
    await edited.primary()
    edited.path.unlink()
    edited.passes(2)
    meanwhile = await edited.primary()
    edited.write("schedules: {primary: [carol]}")
    edited.passes(2)

    assert ("alice", "bob") == meanwhile
    assert ("carol",) == await edited.primary()


async def test_never_there(edited: Edited) -> None:
    """Without any good file the look-up fails, and counts as soon as there is one."""
    with pytest.raises(LookUpFailedError, match="there is no such file; write it like"):
        await edited.primary()
    edited.write(GOOD)
    edited.passes(2)

    assert ("alice", "bob") == await edited.primary()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty; write it like"),
        ("- alice", ":1: expected names with values"),
        ("primary: [alice]", ":1: expected `schedules:` and nothing else"),
        ("schedules:", ":1: expected names with values"),
        (
            "schedules:\n  primary: alice",
            ":2: 'primary' is not a list; write a list of user ids",
        ),
        (
            "schedules:\n  primary:\n    - a: b",
            ":3: 'primary' has an entry that is no user id",
        ),
        (
            "schedules:\n  a: [x]\n  a: [y]",
            ":3: schedules.a: is there twice, first in line 2: remove one",
        ),
        ("schedules:\n  ? [a]\n  : [b]", ":2: schedules: a key that is no text"),
        ("schedules: {a: ['']}", ":1: 'a' has an entry that is no user id"),
        ("schedules: {a: [true]}", ":1: 'a' has an entry that is no user id"),
        ("schedules: {a: &x [b]}", ":1: schedules: `&`: anchors and aliases"),
        ("a: b: c", ":1: not YAML: mapping values are not allowed here"),
        ("schedules: {}\n---\nb: 2", ":2: a second document begins"),
        ("schedules: \x00", "not YAML"),
        ("[" * 1_500, "is deeper than 20 levels"),
        ("schedules:\n" + "#" * (1 << 16), "is larger than 64 KiB"),
    ],
)
async def test_bad_file(edited: Edited, text: str, expected: str) -> None:
    """What is wrong with a file is said with its line and what to write instead."""
    edited.write(text)

    with pytest.raises(ScheduleFileError) as caught:
        await edited.primary()

    assert expected in str(caught.value)
    assert str(edited.path) in str(caught.value)


async def test_not_text(edited: Edited) -> None:
    """A file that is not UTF-8 is refused with its name."""
    edited.path.write_bytes(b"schedules: {primary: [\xff]}")

    with pytest.raises(ScheduleFileError, match="cannot be read"):
        await edited.primary()


async def test_table() -> None:
    """The table of the directory answers like a file does."""
    lookup = TableLookup(
        Fixed(Directory(on_call={"primary": ("alice", "bob", "alice")}))
    )
    found = await lookup.who(PRIMARY, NOW)
    nobody = await lookup.who(ScheduleTarget(id="night"), NOW)

    assert ("alice", "bob") == found.people
    assert "table" == found.source
    assert OnCallReason.NONE == nobody.reason


async def test_table_away() -> None:
    """Without a directory the look-up fails; the walk goes on without it."""
    with pytest.raises(LookUpFailedError, match="Redis is away"):
        await TableLookup(Fixed(None)).who(PRIMARY, NOW)
