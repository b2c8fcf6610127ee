"""
One alert's way, with real processes: from the request to the acknowledgement.

The alert comes in over HTTP. Its policy asks outside who is on call, takes a turn,
pages four people with three short waits between them, and would page a fifth time
later; when all four have been paged and all of it is reported, somebody acknowledges,
over HTTP too. Web or worker may die on the way; another one is started as soon as it
has.

Whoever asks gets no answer from a process that died, and asks again with the same
words, as good senders do: the same alert, the same Idempotency-Key. While that key is
still held for the dead (409, for up to a minute), a person asks anew, with another one.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import redis

from benchmarks.chaos.way_configured import (
    ALERT,
    OUTSIDE,
    PEOPLE,
    SECRETS,
    directory,
)
from tests.support.distributions import install
from tests.support.dying_process import Fate, Moment, be_web, be_worker, moments_in
from tests.support.forks import running_fork
from tests.support.journeys import PAGE, ConsolePage, seed_store
from tests.support.overdue import forgotten, overdue
from tests.support.processes import Rung
from tests.support.servers import RunningServer, free_port

# The leases of a claim and of a delivery, the deadline of a look-up, and the sweep.
PATIENCE_SECONDS, LOOK_AGAIN_SECONDS = 25.0, 0.05
ANSWER_SECONDS_MAX = 5.0
# What is leased, or waits for a look-up, is due so soon; the last wait is not.
LEASED_SECONDS = -10.0
# Nothing of the next hour may be due when it is over.
NEXT_HOUR_SECONDS = -3_600.0
NOT_NOW = {503, 504}
WEB, WORKER = "web", "worker"
_TOKEN = {"Authorization": f"Bearer {SECRETS.api_token}"}


class StuckError(Exception):
    """Something on the way did not come, or came as it should not."""

    def __init__(self, what: str) -> None:
        super().__init__(what)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the timeline says happened, and why it meant what it did."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Walked:
    """
    How one alert's way went.

    Attributes:
        pages: What the consoles showed, in order, up to the end of the last worker.
        before: How many of them when the acknowledgement was asked for.
        outputs: What each process wrote.
        moments: Of the first web and the first worker, up to when it was over.
        left: What was still due, or forgotten, when it was over.
        codes: The exit codes of those that were told to end.
    """

    pages: tuple[ConsolePage, ...]
    before: int
    lines: tuple[Line, ...]
    status: str
    acknowledged_by: str | None
    outputs: Mapping[str, str]
    moments: Mapping[str, tuple[Moment, ...]]
    left: tuple[str, ...]
    codes: tuple[int, ...]
    seconds: float


@dataclass
class Lane:
    """
    Where one alert after the other goes its way: a database, and processes of its own.

    Attributes:
        web: Serves one way after the other, until it is fated to die.
    """

    server: RunningServer
    number: int
    directory: Path
    stack: ExitStack
    port: int = field(default_factory=free_port)
    web: Rung | None = None
    _starts: int = 0

    def __post_init__(self) -> None:
        self.site = self.directory / "site"
        self.site.mkdir(parents=True)
        install(
            self.site,
            "rung-outside",
            {"rung.oncall": {"outside": "outside:Outside"}},
            outside=OUTSIDE,
        )

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"redis://127.0.0.1:{self.server.port}/{self.number}"

    def walk(self, web: Fate | None = None, worker: Fate | None = None) -> Walked:
        """Have an alert go its way, with processes that may be fated to die."""
        began = time.monotonic()
        with redis.Redis(port=self.server.port, db=self.number) as client:
            client.flushdb()
            seed_store(self.url, directory())
            with ExitStack() as stack:
                if web is not None or self.web is None:
                    self._end_web()
                    self.web = self._start(self.stack, WEB, web or Fate())
                way = _Way(self, client, self.web, self._start_worker(stack, worker))
                return way.walked(stack, began)

    def restart_web(self) -> Rung:
        """Start another web process on the same port, and return it."""
        self.web = self._start(self.stack, WEB, Fate())

        return self.web

    def restart_worker(self, stack: ExitStack) -> Rung:
        """Start another worker, and return it."""
        return self._start_worker(stack, None)

    def _end_web(self) -> None:
        if self.web is not None and self.web.process.poll() is None:
            self.web.end()
        self.web = None

    def _start_worker(self, stack: ExitStack, fate: Fate | None) -> Rung:
        return self._start(stack, WORKER, fate or Fate())

    def _start(self, stack: ExitStack, role: str, fate: Fate) -> Rung:
        self._starts += 1
        environment = {
            "REDIS_URL": self.url,
            "PORT": str(self.port),
            "RUNG_ON_CALL": "outside",
            "PYTHONPATH": str(self.site),
        }
        body = be_web if role == WEB else be_worker
        output = self.directory / f"{self._starts}-{role}"

        return stack.enter_context(running_fork(output, environment, body, fate))


@dataclass
class _Way:
    """One alert on its way."""

    lane: Lane
    client: "redis.Redis"
    web: Rung
    worker: Rung
    outputs: list[Rung] = field(default_factory=list[Rung])

    def walked(self, stack: ExitStack, began: float) -> Walked:
        """Go all of it, and tell how it went."""
        self._stack = stack
        self.outputs += [self.web, self.worker]
        self._until_works()
        answer = self._asked("/ingest/alertmanager/" + SECRETS.ingest_key, ALERT)
        incident = answer["incidents"][0]["id"]
        self._until("four pages", lambda: len(set(self._pages())) >= len(PEOPLE))
        self._until("quiet", lambda: not overdue(self.client, LEASED_SECONDS))
        before = len(self._pages())
        self._asked(f"/v1/incidents/{incident}/acknowledge", {"by": "bob"})
        left = self._left()
        first = {WEB: self.outputs[0], WORKER: self.outputs[1]}
        moments = {role: moments_in(one.text()) for role, one in first.items()}
        # One that has just been started does not hear yet that it is to end.
        self._until_works()
        codes = (self.worker.end(),)
        shown = self._shown(f"/v1/incidents/{incident}")
        timeline = self._shown(f"/v1/incidents/{incident}/timeline")

        return Walked(
            pages=tuple(self._pages()),
            before=before,
            lines=tuple(
                Line(what=one["what"], reason=one["reason"])
                for one in timeline["entries"]
            ),
            status=shown["status"],
            acknowledged_by=shown["acknowledged_by"],
            outputs={one.output.name: one.text() for one in self.outputs},
            moments=moments,
            left=left,
            codes=codes,
            seconds=time.monotonic() - began,
        )

    def _until_works(self) -> None:
        self._until("worker", lambda: "worker.started" in self.worker.text())

    def _pages(self) -> list[ConsolePage]:
        text = "".join(one.text() for one in self.outputs)

        return [ConsolePage(*found) for found in PAGE.findall(text)]

    def _left(self) -> tuple[str, ...]:
        """Return what is still due, now or within an hour, once all has been read."""
        try:
            self._until("an end", lambda: not overdue(self.client, NEXT_HOUR_SECONDS))
        except StuckError:
            return tuple(overdue(self.client, NEXT_HOUR_SECONDS))

        return tuple(forgotten(self.client))

    def _asked(self, path: str, body: Any) -> Any:
        """Ask until there is an answer, as good senders do."""
        answers: list[Any] = []
        keys = [path]

        def is_answered() -> bool:
            try:
                answer = httpx2.post(
                    f"http://127.0.0.1:{self.lane.port}{path}",
                    json=body,
                    headers={"Idempotency-Key": keys[-1]} | _TOKEN,
                    timeout=ANSWER_SECONDS_MAX,
                )
            except httpx2.TransportError:
                return False
            if answer.status_code == HTTPStatus.CONFLICT:
                keys.append(f"{path} {len(keys)}")
            elif answer.is_error and answer.status_code not in NOT_NOW:
                raise StuckError(f"{path} was answered {answer.text}")  # noqa: EM102, TRY003 - it is what was answered
            answers.extend([answer.json()] * answer.is_success)
            return answer.is_success

        self._until(f"an answer to {path}", is_answered)

        return answers[-1]

    def _shown(self, path: str) -> Any:
        answer = httpx2.get(f"http://127.0.0.1:{self.lane.port}{path}", headers=_TOKEN)

        return answer.raise_for_status().json()

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._replace_the_dead()
            if holds():
                return
            if time.monotonic() > until:
                raise StuckError(f"no {what} within {PATIENCE_SECONDS:g} s")  # noqa: EM102, TRY003 - likewise
            time.sleep(LOOK_AGAIN_SECONDS)

    def _replace_the_dead(self) -> None:
        """Start another process in the place of one that has died."""
        if self.web.process.poll() is not None:
            self.web = self.lane.restart_web()
            self.outputs.append(self.web)
        if self.worker.process.poll() is not None:
            self.worker = self.lane.restart_worker(self._stack)
            self.outputs.append(self.worker)
