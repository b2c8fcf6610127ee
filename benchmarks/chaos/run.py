"""
Chaos: kill worker, web and Redis under load, again and again, and keep a ledger.

One web, two workers and a Redis of its own on 127.0.0.1, in real time. What is sent
and what is struck comes from a seed. `python -m benchmarks.chaos.run --seed 7` prints
the ledger; its exit code is 1 if a promise was broken.
"""

import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import httpx2
import redis
import typer

from benchmarks.chaos.ledger import Ledger, Policy, Strike, Victim
from benchmarks.chaos.load import Kind, Request, Senders, planned
from benchmarks.chaos.pages import Pages
from tests.support.journeys import seed_store, with_quick_policy
from tests.support.overdue import forgotten, overdue
from tests.support.processes import Rung, running_rung
from tests.support.servers import (
    RunningServer,
    Server,
    found_servers,
    free_port,
    running_server,
)
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)
WAITS = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=1))
POLICY: Policy = (("alice", 0), ("bob", 1), ("carol", 4))
PER_SECOND, SECONDS, WORKERS = 50, 30.0, 2
SAFE_FLAGS = ("--appendonly", "yes", "--appendfsync", "always")
# Everything is struck once in a round; a stopped worker goes on after a while.
ROUND_SECONDS, STOPPED_SECONDS = 7.0, 4.0
FIRST_SECONDS, JITTER = 0.8, 0.3
# After the load: the last waits, and whatever was struck last comes back.
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 30.0, 0.25
SHOWN, LISTED_MAX, MANY = 5, 100, 100


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is to be struck, so many seconds after the beginning."""

    at: float
    victim: Victim
    worker: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    What came of a run.

    Attributes:
        problems: Every broken promise, by its name; a good run has none.
    """

    seed: int
    seconds: float
    plan: Sequence[Request]
    ledger: Ledger
    torn: int
    problems: dict[str, list[str]]

    @property
    def broken(self) -> list[str]:
        """The broken promises, each with some examples."""
        return [
            f"{name}: {len(found)}, such as {'; '.join(found[:SHOWN])}"
            for name, found in self.problems.items()
            if found
        ]

    def lines(self) -> Iterator[str]:
        """Yield what people read."""
        ledger = self.ledger
        kinds = [request.kind for request in self.plan]
        yield (
            f"chaos with seed {self.seed}, {self.seconds:g} s: "
            f"{len(ledger.stories)} alerts in {len(kinds)} requests, "
            f"{kinds.count(Kind.RESOLVED)} resolves, "
            f"{kinds.count(Kind.ACKNOWLEDGE)} acknowledgements"
        )
        yield f"pages owed {len(ledger.owed)}, seen {len(ledger.lines)}, " + ", ".join(
            f"{name} {len(found)}" for name, found in self.problems.items()
        )
        yield f"pages that came again: {ledger.doubled}; torn: {self.torn}"
        yield f"pages late by {_spread(ledger.lateness)}"
        yield f"requests answered after {_spread(ledger.waits)}"
        for victim in Victim:
            took = ledger.recoveries(victim)
            yield f"{victim} {len(took)} times, all back after {_spread(took)}"
        yield from self.broken


def strikes_planned(seed: int, seconds: float) -> list[Planned]:
    """
    Return what is to be struck: everything once in each round.

    A round begins with a worker that is stopped, so that the others are killed while
    it sleeps, and it is awake again before the next round.
    """
    chance = random.Random(seed)  # noqa: S311 - the same again
    rounds = max(1, round(seconds / ROUND_SECONDS))
    victims: list[Victim] = []
    for _ in range(rounds):
        others = [victim for victim in Victim if victim is not Victim.STOPPED]
        chance.shuffle(others)
        victims += [Victim.STOPPED, *others]
    apart = (seconds - FIRST_SECONDS) / len(victims)

    return [
        Planned(
            at=FIRST_SECONDS + apart * (number + chance.uniform(0, JITTER)),
            victim=victim,
            worker=chance.randrange(WORKERS),
        )
        for number, victim in enumerate(victims)
    ]


@dataclass
class Stage:
    """The processes, each of which may be struck, and is started again at once."""

    server: RunningServer
    directory: Path
    stack: ExitStack
    pages: Pages = field(default_factory=Pages)
    strikes: list[Strike] = field(default_factory=list[Strike])
    port: int = field(default_factory=free_port)
    starts: int = 0
    workers: list[tuple[int, Rung]] = field(default_factory=list[tuple[int, Rung]])
    asleep: list[tuple[float, int, Rung]] = field(
        default_factory=list[tuple[float, int, Rung]]
    )
    web: Rung = field(init=False)

    def __post_init__(self) -> None:
        self.web = self._start("web")[1]
        self.workers = [self._start("worker") for _ in range(WORKERS)]

    @property
    def address(self) -> str:
        """Where web listens, whenever it was started."""
        return f"http://127.0.0.1:{self.port}"

    def strike(self, planned: Planned) -> None:
        """Kill one, and start it again at once; or stop one, until it may go on."""
        at, process = time.monotonic(), None
        match planned.victim:
            case Victim.WEB:
                self.web.end(signal.SIGKILL)
                _, self.web = self._start("web")
            case Victim.REDIS:
                self.server.kill()
                self.server.start()
            case Victim.WORKER:
                process, worker = self.workers[planned.worker]
                worker.end(signal.SIGKILL)
                self.workers[planned.worker] = self._start("worker")
            case Victim.STOPPED:
                process, worker = self.workers[planned.worker]
                worker.process.send_signal(signal.SIGSTOP)
                self.asleep.append((at, process, worker))
                # Who is stopped does not hear that he is to end.
                self.stack.callback(self.wake)
                return
        self._note(planned.victim, at, process)

    def wake(self) -> None:
        """Let those that were stopped go on, unless they were killed meanwhile."""
        while self.asleep:
            at, process, worker = self.asleep.pop()
            worker.process.send_signal(signal.SIGCONT)
            self._note(Victim.STOPPED, at, process)

    def wait_until_ready(self) -> None:
        """Return when all of it has started."""
        self.web.wait_until_ready()
        for _, worker in self.workers:
            worker.wait_for("worker.started")

    def _note(self, victim: Victim, at: float, process: int | None) -> None:
        strike = Strike(victim=victim, at=at, until=time.monotonic(), process=process)
        self.strikes.append(strike)

    def _start(self, command: str) -> tuple[int, Rung]:
        self.starts += 1
        output = self.directory / f"{command}-{self.starts}"
        place = {"REDIS_URL": self.server.url, "PORT": str(self.port)}
        rung = self.stack.enter_context(running_rung(output, command, **place))
        self.pages.follow(output, self.starts)

        return self.starts, rung


def run_chaos(
    directory: Path,
    seed: int,
    seconds: float = SECONDS,
    server: Server | None = None,
) -> Report:
    """
    Run it all, which takes so many seconds of load and some more.

    Args:
        directory: For all that is written; empty.
        seed: What is sent and struck, and when.
        seconds: How long alerts are sent.
        server: The newest one that is found, if none is given.
    """
    plan = planned(seed, seconds, PER_SECOND)
    with (
        running_server(server or found_servers()[-1], directory, *SAFE_FLAGS) as redis_,
        ExitStack() as stack,
    ):
        seed_store(redis_.url, with_quick_policy(demo_directory(SECRETS), WAITS))
        stage = Stage(redis_, directory, stack)
        stage.wait_until_ready()
        senders = Senders(stage.address, SECRETS.ingest_key, SECRETS.api_token)
        with stage.pages.reading():
            _send_and_strike(stage, senders, plan, strikes_planned(seed, seconds))
            left = _settle(stage, senders)
            ledger = _ledger(stage, senders)

        return Report(
            seed=seed,
            seconds=seconds,
            plan=plan,
            ledger=ledger,
            torn=stage.pages.torn,
            problems=_problems(ledger, left, senders, stage),
        )


def _send_and_strike(
    stage: Stage, senders: Senders, plan: list[Request], strikes: list[Planned]
) -> None:
    """Strike by and by, while all is sent; return when all of it is answered."""
    began = time.monotonic()
    todo: list[tuple[float, Callable[[], None]]] = []
    for one in strikes:
        todo.append((one.at, partial(stage.strike, one)))
        if one.victim is Victim.STOPPED:
            todo.append((one.at + STOPPED_SECONDS, stage.wake))
    with ThreadPoolExecutor() as others:
        sending = others.submit(senders.run, plan, began)
        for at, action in sorted(todo, key=itemgetter(0)):
            time.sleep(max(0, began + at - time.monotonic()))
            action()
        sending.result()


def _settle(stage: Stage, senders: Senders) -> list[str]:
    """Wait until all is paged and nothing is overdue; return what is left of that."""
    until = time.monotonic() + SETTLED_SECONDS_MAX
    with redis.Redis(port=stage.server.port) as client:
        while True:
            left = [*overdue(client), *forgotten(client)]
            lost = _ledger(stage, senders, statuses={}).lost
            if not (left or lost) or time.monotonic() > until:
                return left
            time.sleep(LOOK_AGAIN_SECONDS)


def _ledger(
    stage: Stage, senders: Senders, statuses: Mapping[str, str] | None = None
) -> Ledger:
    return Ledger(
        policy=POLICY,
        stories=dict(senders.stories),
        seen=tuple(stage.pages.seen),
        strikes=tuple(stage.strikes),
        statuses=_statuses(stage) if statuses is None else statuses,
    )


def _statuses(stage: Stage) -> dict[str, str]:
    """Return the status of every incident there is, as the API lists them."""
    found: dict[str, str] = {}
    asked: dict[str, str | int] = {"status": "all", "limit": LISTED_MAX}
    while True:
        answer = httpx2.get(
            f"{stage.address}/v1/incidents",
            params=asked,
            headers={"Authorization": f"Bearer {SECRETS.api_token}"},
        ).raise_for_status()
        listed = answer.json()
        found |= {one["id"]: one["status"] for one in listed["incidents"]}
        if listed["next"] is None:
            return found
        asked["before"] = listed["next"]


def _problems(
    ledger: Ledger, left: list[str], senders: Senders, stage: Stage
) -> dict[str, list[str]]:
    return {
        "lost": ledger.lost,
        "stuck": [*left, *ledger.misplaced],
        "wrongly doubled": ledger.wrongly_doubled,
        "after an acknowledge": ledger.after_the_end,
        "early": ledger.early,
        "refused": senders.refused,
        "errors": stage.pages.errors,
    }


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "no time"
    shown = {"p50": median(seconds), "max": max(seconds)}
    if len(seconds) >= MANY:
        shown["p99"] = quantiles(seconds, n=100, method="inclusive")[-1]

    return ", ".join(f"{name} {value:.2f} s" for name, value in shown.items())


def main(
    seed: Annotated[int | None, typer.Option(help="Which run; else any.")] = None,
    seconds: Annotated[float, typer.Option(min=5, help="Of load.")] = SECONDS,
) -> None:
    """Kill everything under load, and print what became of each page."""
    if seed is None:
        seed = time.time_ns() % 1_000_000
    # Before anything else: a run that breaks off can be repeated too.
    typer.echo(f"seed {seed}")
    with tempfile.TemporaryDirectory() as directory:
        report = run_chaos(Path(directory), seed, seconds)
    typer.echo("\n".join(report.lines()))
    sys.exit(bool(report.broken))


if __name__ == "__main__":
    typer.run(main)
