"""
Logs: one JSON object a line on standard output, the event first.

Lines of libraries that use the standard logging go the same way.
"""

import asyncio
import contextlib
import io
import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from typing_extensions import override

from workers.settings import LogFormat, LogLevel

LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
# What these say at INFO is said by our own lines.
QUIET = ("arq.worker", "uvicorn.access", "uvicorn.error", "httpx2", "asyncio")

Fields = MutableMapping[str, Any]


def log_to_stderr() -> None:
    """Send only what went wrong to standard error: a command's output is its own."""
    configure_logs(LogFormat.CONSOLE, LogLevel.ERROR, sys.stderr)


def configure_logs(
    log_format: LogFormat, level: LogLevel, stream: TextIO | None = None
) -> None:
    """Send every line of the log to standard output or a stream, in one form."""
    sink = _Sink(stream or sys.stdout)
    lines = _Lines(sink)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = (
        _to_json if log_format is LogFormat.JSON else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in QUIET:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))


class _Lines:
    """
    A logger that writes what one turn of the event loop has said in one piece.

    A decision is one line, and a batch has hundreds: a call of the system for each of
    them would cost more than making it. What went wrong is written at once, with all
    that was said before; so is everything where no event loop runs. Lines of libraries
    that log in the standard way do not wait for these.
    """

    def __init__(self, sink: "_Sink") -> None:
        self._sink = sink
        self._waiting: list[str] = []
        # Threads log too: whoever watches the embedded Redis is one.
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        """Write a line at the end of this turn."""
        with self._lock:
            self._waiting.append(line)
            is_first = len(self._waiting) == 1
        if not is_first:
            return
        try:
            asyncio.get_running_loop().call_soon(self._write)
        except RuntimeError:
            self._write()

    def now(self, line: str) -> None:
        """Write a line at once."""
        with self._lock:
            self._waiting.append(line)
        self._write()

    debug = info = msg
    warning = error = critical = exception = log = now

    def _write(self) -> None:
        with self._lock:
            lines, self._waiting = self._waiting, []
            if lines:
                self._sink.write("\n".join(lines) + "\n")
                self._sink.flush()


class _Sink(io.TextIOBase):
    """
    A stream that takes what it can.

    A line that cannot be written is lost: the disk is full, or whoever read it is gone.
    It decides nothing; a page goes out all the same.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @override
    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

        return len(text)

    @override
    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _to_json(_logger: object, _method: str, fields: Fields) -> str:
    """Write the event first; a line break inside a value stays inside its string."""
    ordered = {"event": fields.pop("event", ""), **fields}

    return orjson.dumps(ordered, default=str).decode()
