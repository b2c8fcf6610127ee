"""The console shows a page in one line, whatever a sender put into it."""

import contextlib
import io
import os
from dataclasses import replace

import pytest

from engine.adapters.channels.console import ConsoleChannel
from engine.core.events import Outcome
from engine.core.incident import Status
from engine.ports import Notification

PAGE = Notification(
    key="k",
    incident_id="0E4QW8R1T5A",
    title="DiskFull on db1",
    status=Status.TRIGGERED,
    person="alice",
    name="Alice",
    address="",
    attempt=1,
)


async def shown(page: Notification) -> str:
    """Return what the console shows for a page."""
    stream = io.StringIO()
    await ConsoleChannel(stream).send(page)

    return stream.getvalue()


async def test_line() -> None:
    """A page is one line: who, what, which incident and which attempt."""
    assert (
        "PAGE  alice  DiskFull on db1  (inc_0E4QW8R1T5A · page k · attempt 1)\n"
        == await shown(PAGE)
    )


async def test_sent() -> None:
    """What was written counts as sent."""
    result = await ConsoleChannel(io.StringIO()).send(PAGE)

    assert Outcome.SENT == result.outcome


async def test_late() -> None:
    """A page that is late says how late."""
    line = await shown(replace(PAGE, late_by_seconds=75))

    assert line.endswith(" · attempt 1 · 75 s late)\n")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]52;c;aGk=\x1b\\clip", "clip"),
        ("\x1bcreset", "reset"),
        ("two\nlines\r\nPAGE  bob", "two lines PAGE bob"),
        ("tab\tbell\x07nul\x00", "tab bellnul"),
        ("\x9b31mc1", "31mc1"),
        ("right\u202eto left", "rightto left"),
        ("Zürich 東京 🔥", "Zürich 東京 🔥"),
        ("\ud800broken", "broken"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
async def test_stripped(title: str, expected: str) -> None:
    """No title can move the cursor, colour the screen or begin a line of its own."""
    line = await shown(replace(PAGE, title=title))

    assert f"PAGE  alice  {expected}  (inc_0E4QW8R1T5A · page k · attempt 1)\n" == line


async def test_closed() -> None:
    """A closed stream has failed to take the page; nothing is raised."""
    stream = io.StringIO()
    stream.close()
    result = await ConsoleChannel(stream).send(PAGE)

    assert Outcome.FAILED == result.outcome
    assert "closed" in result.detail


async def test_nobody_reads() -> None:
    """A pipe whose reader is gone has failed to take the page."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    result = await ConsoleChannel(stream).send(PAGE)
    with pytest.raises(BrokenPipeError):
        stream.close()

    assert Outcome.FAILED == result.outcome


async def test_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full does not hold up the process; after a while it has failed."""
    monkeypatch.setattr("engine.adapters.channels.console.LOOKS_MAX", 2)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        result = await ConsoleChannel(stream).send(PAGE)
    os.close(reading)

    assert Outcome.FAILED == result.outcome
    assert "the console: it takes no more" == result.detail


async def test_narrow() -> None:
    """A console that knows ASCII only shows the rest escaped."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    await ConsoleChannel(stream).send(replace(PAGE, title="Zürich"))

    assert b"Z\\xfcrich" in raw.getvalue()
