"""The log: one line each, the event first, and no secrets in a traceback."""

import io
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import structlog
from pydantic import SecretStr
from typing_extensions import override

from workers.logs import configure_logs
from workers.settings import LogFormat, LogLevel

LIBRARY = "some.library"
QUIET = ["arq.worker", "uvicorn.access", "uvicorn.error", "httpx2", "asyncio"]
LEVELS = list(LogLevel)
SECRET = "-".join(["hush"] * 3)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _logs_restored() -> Iterator[None]:
    """Give structlog and the standard logging back as they were."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in [*QUIET, LIBRARY]}
    handlers, level = root.handlers[:], root.level
    configured = structlog.get_config() if structlog.is_configured() else None
    yield
    structlog.reset_defaults()
    if configured is not None:
        structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def written(capsys: Capture) -> list[dict[str, Any]]:
    """Return the lines that were logged, in the order of their fields."""
    captured = capsys.readouterr()
    *lines, rest = captured.out.split("\n")

    assert "" == rest
    assert "" == captured.err

    return [orjson.loads(line) for line in lines]


def ours() -> Any:
    """Return a logger of ours."""
    return structlog.get_logger()


def library(name: str = LIBRARY) -> logging.Logger:
    """Return a logger of a library."""
    return logging.getLogger(name)


def fail(token: str) -> None:
    """Fail while holding a secret."""
    if token:
        raise ValueError("refused")


def log_failure(logger: Any) -> None:
    """Log an exception whose frames hold a secret."""
    token = SECRET
    try:
        fail(token)
    except ValueError:
        logger.exception("token.refused")


def test_one_line_each(capsys: Capture) -> None:
    """A record is a line that holds one JSON object."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    ours().info("incident.opened")
    library().info("connected")
    ours().warning("incident.moved")

    assert ["incident.opened", "connected", "incident.moved"] == [
        line["event"] for line in written(capsys)
    ]


def test_event_first(capsys: Capture) -> None:
    """Whoever reads a line meets the event first, whatever else was bound before."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    with structlog.contextvars.bound_contextvars(alpha="1"):
        ours().bind(incident_id="inc_1").info("incident.moved", aardvark=True)
        library().info("connected")

    assert ["event", "event"] == [next(iter(line)) for line in written(capsys)]


def test_fields(capsys: Capture) -> None:
    """Fields keep their kind; what JSON has no kind for is written as text."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    ours().info(
        "e", count=3, ok=True, all=["a"], none=None, delay=timedelta(hours=1), at=at
    )
    [line] = written(capsys)

    expected = {
        "event": "e",
        "count": 3,
        "ok": True,
        "all": ["a"],
        "none": None,
        "delay": "1:00:00",
        "at": "2026-11-22T12:00:00+00:00",
    }
    assert expected == {name: line[name] for name in expected}


@pytest.mark.parametrize("log_format", LogFormat)
def test_secret_field(log_format: LogFormat, capsys: Capture) -> None:
    """A secret that is logged by mistake stays hidden."""
    configure_logs(log_format, LogLevel.INFO)
    ours().info("redis.chosen", url=SecretStr(SECRET))
    out = capsys.readouterr().out

    assert "redis.chosen" in out
    assert SECRET not in out


def test_level_and_time(capsys: Capture) -> None:
    """Each line carries its level and its time in UTC, of libraries too."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    ours().warning("notification.failed")
    library().warning("lost")
    lines = written(capsys)

    assert ["warning", "warning"] == [line["level"] for line in lines]
    assert [timedelta(0), timedelta(0)] == [
        datetime.fromisoformat(line["timestamp"]).utcoffset() for line in lines
    ]


def test_bound_in_a_task(capsys: Capture) -> None:
    """What is bound for a task or a request stands on all its lines."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        ours().info("alert.accepted")
        library().info("connected")
    ours().info("incident.moved")

    assert ["r-1", "r-1", None] == [line.get("request_id") for line in written(capsys)]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", 'a\n{"event": "forged"}\n'])
def test_line_breaks(text: str, capsys: Capture) -> None:
    """A line break in what a sender wrote stays inside: nobody forges a line."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    ours().info("alert.accepted", title=text)
    ours().info(text)
    library().info("got %s", text)
    lines = written(capsys)

    assert ["alert.accepted", text, f"got {text}"] == [line["event"] for line in lines]
    assert text == lines[0]["title"]


def test_library(capsys: Capture) -> None:
    """A library's line has its arguments filled in."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    library().info("lost %s after %d s", "redis", 3)
    [line] = written(capsys)

    assert "lost redis after 3 s" == line["event"]


@pytest.mark.parametrize("logger", [ours, library])
def test_traceback(logger: Any, capsys: Capture) -> None:
    """An exception is one line as well; its traceback is a field."""
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    log_failure(logger())
    [line] = written(capsys)

    assert "token.refused" == line["event"]
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("\nValueError: refused")


@pytest.mark.parametrize("logger", [ours, library])
@pytest.mark.parametrize("log_format", LogFormat)
def test_no_secret_in_a_traceback(
    log_format: LogFormat, logger: Any, capsys: Capture
) -> None:
    """A traceback shows where it failed, never what the variables held."""
    configure_logs(log_format, LogLevel.DEBUG)
    log_failure(logger())
    out = capsys.readouterr().out

    assert "ValueError: refused" in out
    assert SECRET not in out


@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize("level", LEVELS)
def test_level(log_format: LogFormat, level: LogLevel, capsys: Capture) -> None:
    """What is worth less than the level is not written, by nobody."""
    configure_logs(log_format, level)
    for each in LEVELS:
        getattr(ours(), each)(f"ours-{each}")
        getattr(library(), each)(f"theirs-{each}")
    out = capsys.readouterr().out

    expected = {
        f"{whose}-{each}"
        for whose in ("ours", "theirs")
        for each in LEVELS[LEVELS.index(level) :]
    }
    said = {f"{whose}-{each}" for whose in ("ours", "theirs") for each in LEVELS}
    assert expected == {event for event in said if event in out}


@pytest.mark.parametrize("level", [LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARNING])
@pytest.mark.parametrize("name", QUIET)
def test_quiet(name: str, level: LogLevel, capsys: Capture) -> None:
    """Libraries that chat about each job and request are heard when they warn."""
    configure_logs(LogFormat.JSON, level)
    library(name).info("chat")
    library(name).warning("lost")

    assert ["lost"] == [line["event"] for line in written(capsys)]


@pytest.mark.parametrize("name", QUIET)
def test_quieter(name: str, capsys: Capture) -> None:
    """Who wants errors only is not told the warnings of those libraries either."""
    configure_logs(LogFormat.JSON, LogLevel.ERROR)
    library(name).warning("lost")
    library(name).error("broken")

    assert ["broken"] == [line["event"] for line in written(capsys)]


def test_configured_twice(capsys: Capture) -> None:
    """Configured again, a line is still written once, in the form asked for last."""
    configure_logs(LogFormat.CONSOLE, LogLevel.ERROR)
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    ours().info("incident.moved")
    library().info("connected")

    assert ["incident.moved", "connected"] == [
        line["event"] for line in written(capsys)
    ]


@pytest.mark.parametrize("logger", [ours, library])
def test_console(logger: Any, capsys: Capture) -> None:
    """On a console the event stands there as text, not as JSON."""
    configure_logs(LogFormat.CONSOLE, LogLevel.INFO)
    logger().info("incident.moved")
    captured = capsys.readouterr()

    assert "incident.moved" in captured.out
    assert '"event"' not in captured.out
    assert "" == captured.err


class Broken(io.StringIO):
    """A stream that takes nothing: the disk is full, or whoever read it is gone."""

    @override
    def write(self, text: str, /) -> int:
        raise BrokenPipeError(text)

    @override
    def flush(self) -> None:
        raise OSError


@pytest.mark.parametrize("log_format", LogFormat)
def test_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, log_format: LogFormat
) -> None:
    """A line that cannot be written is lost, and nothing else is."""
    monkeypatch.setattr(sys, "stdout", Broken())
    configure_logs(log_format, LogLevel.INFO)
    ours().info("incident.moved")
    ours().error("incident.parked")
    library().info("connected")
