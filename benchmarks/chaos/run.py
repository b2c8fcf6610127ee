"""
Chaos: strike worker, web, Redis, arq and clocks under load, and keep a ledger.

One web, two workers, a Redis with its append-only file and a provider, all on loopback,
in real time. What is sent, struck and answered comes from a seed, which is told first.
Measured is what the provider received against what the senders were promised: see the
ledger. Not measured is speed: the faults are in all times, and so is this process,
which sends and receives on the same machine.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import typer
from rich.console import Console

from benchmarks.chaos.ledger import Ledger, Whose
from benchmarks.chaos.load import Senders
from benchmarks.chaos.plan import (
    POLICY,
    STOPPED_SECONDS,
    Planned,
    Request,
    Victim,
    answer_planned,
    requests_planned,
    strikes_planned,
    told_planned,
)
from benchmarks.chaos.provider import Provider
from benchmarks.chaos.report import Report
from benchmarks.chaos.stage import SECRETS, Stage, chaos_directory
from benchmarks.options import Figures, Options
from tests.support.journeys import seed_store
from tests.support.servers import Server, found_servers, running_server

PER_SECOND, SECONDS = 50, 30.0
SAFE_FLAGS = ("--appendonly", "yes", "--appendfsync", "always")
# After the load: the last waits, and whatever was struck last comes back.
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 30.0, 0.25
LISTED_MAX = 100
REPORTED, FAILED = "delivery_reported", "method_failed"


def measure(options: Options) -> Figures:
    """
    Run it, and return what came of it; `broken` names the promises that did not hold.

    Args:
        options: How long alerts are sent, and the seed of all that happens.
    """
    seed = options.seed
    if seed is None:
        seed = time.time_ns() % 1_000_000
    # Before anything else: a run that breaks off can be repeated too.
    typer.echo(f"chaos with seed {seed}", err=True)
    seconds = options.seconds_or(SECONDS)
    doing = f"sending and striking for {seconds:g} s, then waiting for the last pages"
    with TemporaryDirectory() as directory, Console(stderr=True).status(doing):
        return run_chaos(Path(directory), seed, seconds).figures()


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
        seed: What is sent, struck and answered.
        seconds: How long alerts are sent.
        server: The newest one that is found, if none is given.
    """
    plan = requests_planned(seed, seconds, PER_SECOND)
    provider = Provider(
        answer=partial(answer_planned, seed), tell=partial(told_planned, seed)
    )
    with (
        running_server(server or found_servers()[-1], directory, *SAFE_FLAGS) as redis_,
        provider.running(),
        ExitStack() as stack,
    ):
        seed_store(redis_.url, chaos_directory())
        stage = Stage(redis_, provider, directory, stack)
        stage.wait_until_ready()
        senders = Senders(stage.address, SECRETS.ingest_key, SECRETS.api_token)
        books = Books(stage, senders)
        with stage.outputs.reading():
            _send_and_strike(stage, senders, plan, strikes_planned(seed, seconds))
            stuck = _settle(stage, books)
            ledger = books.close()

        return Report(
            seed=seed,
            seconds=seconds,
            plan=plan,
            ledger=ledger,
            told=provider.told,
            clocks=stage.clocks,
            fenced=stage.outputs.fenced,
            stuck=stuck,
            refused=senders.refused,
            errors=stage.outputs.errors,
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


def _settle(stage: Stage, books: "Books") -> list[str]:
    """Wait until all is paged and nothing is overdue; return what is left of that."""
    until = time.monotonic() + SETTLED_SECONDS_MAX
    while True:
        left = stage.overdue()
        if not (left or books.ledger().lost) or time.monotonic() > until:
            return left
        time.sleep(LOOK_AGAIN_SECONDS)


@dataclass
class Books:
    """
    What the ledger is made of; it asks web for what senders were not told.

    Attributes:
        failed: The pages of which a history says that their method has failed.
        reported: When it says what became of a page.
    """

    stage: Stage
    senders: Senders
    failed: set[Whose] = field(default_factory=set[Whose])
    reported: dict[Whose, float] = field(default_factory=dict[Whose, float])

    def ledger(self, statuses: dict[str, str] | None = None) -> Ledger:
        """Return the ledger as of now."""
        entered = self._ledger(statuses or {})
        doubtful = {*entered.refused} - self.failed
        doubtful |= {before.whose for before, _ in entered.not_excused}
        for incident in {incident for incident, _ in doubtful}:
            self._read(incident)

        return self._ledger(statuses or {})

    def close(self) -> Ledger:
        """Return the ledger at the end."""
        return self.ledger(self._statuses())

    def _ledger(self, statuses: dict[str, str]) -> Ledger:
        return Ledger(
            policy=POLICY,
            stories=dict(self.senders.stories),
            receipts=tuple(self.stage.provider.receipts),
            strikes=tuple(self.stage.strikes),
            statuses=statuses,
            failed=frozenset(self.failed),
            reported=dict(self.reported),
        )

    def _read(self, incident: str) -> None:
        """Note what a history says of the pages of an incident, and since when."""
        since = time.time() - time.monotonic()
        for entry in self._ask(f"/{incident}/history")["entries"]:
            event = entry["event"]
            if entry["what"] == REPORTED:
                whose = incident, event["person"]
                at = datetime.fromisoformat(event["at"]).timestamp()
                self.reported[whose] = at - since
                if entry["reason"] == FAILED:
                    self.failed.add(whose)

    def _statuses(self) -> dict[str, str]:
        """Return the status of every incident there is, as the API lists them."""
        found: dict[str, str] = {}
        asked: dict[str, str | int] = {"status": "all", "limit": LISTED_MAX}
        while True:
            listed = self._ask("", **asked)
            found |= {one["id"]: one["status"] for one in listed["incidents"]}
            if listed["next"] is None:
                return found
            asked["before"] = listed["next"]

    def _ask(self, path: str, **asked: str | int) -> Any:
        answer = httpx2.get(
            f"{self.stage.address}/v1/incidents{path}",
            params=asked,
            headers={"Authorization": f"Bearer {SECRETS.api_token}"},
        )

        return answer.raise_for_status().json()
