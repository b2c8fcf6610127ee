"""
Sentinel: the primary is killed under load, and another one takes its place.

One primary, two replicas and three Sentinels, one web and two workers, all real, on
127.0.0.1. Alerts are posted steadily, each until it is answered 202. A second before
the primary is killed (SIGKILL) the replicas' link to it is cut: their password is set
wrong and their connections are closed, so that what the primary still takes in is on
no replica. So the loss does not depend on luck. When the primary is dead, the replicas
may connect again.

That is run twice. With RUNG_REPLICAS=1 nothing that was answered 202 may be lost: not
one page, not one incident. With RUNG_REPLICAS=0 what was answered within the last
second is gone; it is counted. Either way, a page that is sent again has the same key.
What is not measured: a network that loses or delays packets, machines that die with all
that is on them, a primary that lives on alone.

The time until alerts are answered again holds for Sentinels that notice a dead primary
after half a second, on one machine; that setting is part of it.
"""

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import httpx2
import typer
from anyio.abc import TaskGroup

from benchmarks.chaos.account import Account, Paged, Promised
from benchmarks.options import Figures, Options
from tests.support.journeys import PAGE, seed_store, with_quick_policy
from tests.support.processes import Rung, running_rung
from tests.support.sentinels import DOWN_AFTER_MS, Watched, ask, watched
from tests.support.servers import found_servers
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)
BEARER = {"Authorization": f"Bearer {SECRETS.api_token}"}
WAIT = timedelta(seconds=2)
# The third one is never paged: a run does not last that long.
WAITS = (WAIT, timedelta(hours=1), timedelta(hours=1))
DUE = {"alice": 0.0, "bob": WAIT.total_seconds()}
SECONDS, SECONDS_MIN = 15.0, 6.0
PER_SECOND, WORKERS, REPLICAS = 20, 2, 2
CUT_SECONDS = 1.0
# The primary dies when about a third of the alerts are sent.
BEGIN, JITTER = 0.3, 0.1
AGAIN_SECONDS, ANSWER_SECONDS_MAX, ASKED_SECONDS_MAX = 0.1, 5.0, 45.0
LOOK_AGAIN_SECONDS, SETTLED_SECONDS_MAX = 0.02, 45.0
SAFE_FLAGS = ("--appendonly", "yes")
NOBODY_KNOWS = "nobody-knows-this"


def measure(options: Options) -> Figures:
    """Kill the primary, with and without WAIT, and name the broken promises."""
    seconds = max(SECONDS_MIN, options.seconds_or(SECONDS))
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed
    _tell(f"seed {seed}")
    accounts = {}
    for name, replicas in (("with_wait", 1), ("without_wait", 0)):
        _tell(f"{name}: {seconds:g} s of alerts, RUNG_REPLICAS={replicas}")
        with tempfile.TemporaryDirectory() as directory:
            accounts[name] = run(Path(directory), seed, seconds, replicas)

    return {
        "seed": seed,
        "seconds": seconds,
        "down_after_seconds": DOWN_AFTER_MS / 1_000,
        "link_cut_before_the_kill_seconds": CUT_SECONDS,
        **{name: account.figures() for name, account in accounts.items()},
        "broken": list(broken(accounts["with_wait"], accounts["without_wait"])),
    }


def broken(with_wait: Account, without: Account) -> Iterator[str]:
    """Name each promise that was broken, and what the run failed to show."""
    if with_wait.gone or with_wait.lost:
        yield f"lost after WAIT 1: {with_wait.gone}, {with_wait.lost}"
    if without.stuck:
        yield f"not paged, though the store has them: {without.stuck}"
    if without.gone == []:
        yield "without WAIT nothing was lost: the link was not cut in time"
    for account in (with_wait, without):
        if account.unanswered:
            yield f"{account.unanswered} alerts were never answered 202"
        if account.paged_anew:
            yield f"paged again under another key: {account.paged_anew}"
        if account.paged_again_seconds is None:
            yield "nobody was paged for an alert that came after the kill"


def run(directory: Path, seed: int, seconds: float, replicas: int) -> Account:
    """
    Run it once.

    Args:
        directory: For all that is written; empty.
        seed: When the primary is killed.
        seconds: How long alerts are posted.
        replicas: RUNG_REPLICAS.
    """
    chance = random.Random(seed)  # noqa: S311 - the same again
    begin = seconds * (BEGIN + chance.uniform(0, JITTER))
    with (
        watched(
            found_servers()[-1], directory, *SAFE_FLAGS, replicas=REPLICAS
        ) as servers,
        ExitStack() as stack,
    ):
        seed_store(servers.url, with_quick_policy(demo_directory(SECRETS), WAITS))
        start = partial(_start, stack, directory, servers.url, str(replicas))
        web, *workers = (start(f"{name}") for name in ("web", *["worker"] * WORKERS))
        web.wait_until_ready()
        for worker in workers:
            worker.wait_for("worker.started")
        course = _Course(
            servers=servers,
            address=web.address(),
            outputs=[_Output(worker.output) for worker in workers],
        )
        anyio.run(course.run, seconds, begin)

        return course.account()


def _start(
    stack: ExitStack, directory: Path, url: str, replicas: str, command: str
) -> Rung:
    number = len(list(directory.glob("output-*")))
    environment = {"REDIS_URL": url, "RUNG_REPLICAS": replicas}
    output = directory / f"output-{number}"

    return stack.enter_context(running_rung(output, command, **environment))


@dataclass
class _Output:
    """What a worker has written, as far as it was read."""

    path: Path
    read: int = 0

    def lines(self) -> list[str]:
        """Return the whole lines that are new."""
        with self.path.open("rb") as file:
            file.seek(self.read)
            whole, end, _ = file.read().rpartition(b"\n")
        self.read += len(whole + end)

        return whole.decode("utf-8", "replace").splitlines()


@dataclass
class _Course:
    """One run under way."""

    servers: Watched
    address: str
    outputs: list[_Output]
    promised: list[Promised] = field(default_factory=list[Promised])
    paged: list[Paged] = field(default_factory=list[Paged])
    known: set[str] = field(default_factory=set[str])
    killed_at: float = 0.0
    unanswered: int = 0
    refusals: int = 0

    def account(self) -> Account:
        """Return what became of it so far."""
        return Account(
            due=DUE,
            promised=tuple(self.promised),
            paged=tuple(self.paged),
            known=frozenset(self.known),
            killed_at=self.killed_at,
            unanswered=self.unanswered,
            refusals=self.refusals,
        )

    async def run(self, seconds: float, begin: float) -> None:
        """Send, cut, kill, and wait until all that is left is paged."""
        limits = httpx2.Limits(max_connections=200)
        async with (
            httpx2.AsyncClient(
                limits=limits, timeout=ANSWER_SECONDS_MAX, base_url=self.address
            ) as client,
            anyio.create_task_group() as reading,
        ):
            reading.start_soon(self._read_along)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._strike, begin)
                await self._send_all(client, seconds, tasks)
            await self._settle(client)
            reading.cancel_scope.cancel()

    async def _send_all(
        self,
        client: httpx2.AsyncClient,
        seconds: float,
        tasks: TaskGroup,
    ) -> None:
        began = time.monotonic()
        for number in range(int(seconds * PER_SECOND)):
            await anyio.sleep(max(0, began + number / PER_SECOND - time.monotonic()))
            tasks.start_soon(self._send, client, number)

    async def _send(self, client: httpx2.AsyncClient, number: int) -> None:
        """Send one alert until it is answered 202, as good senders do."""
        alert = {"status": "firing", "labels": {"alertname": f"alert-{number}"}}
        path = f"/ingest/alertmanager/{SECRETS.ingest_key}"
        until = time.monotonic() + ASKED_SECONDS_MAX
        while (sent_at := time.monotonic()) < until:
            try:
                answer = await client.post(path, json={"alerts": [alert]})
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                [incident] = answer.json()["incidents"]
                self.promised.append(
                    Promised(
                        incident=incident["id"],
                        sent_at=sent_at,
                        answered_at=time.monotonic(),
                    )
                )
                return
            self.refusals += 1
            await anyio.sleep(AGAIN_SECONDS)
        self.unanswered += 1

    async def _strike(self, begin: float) -> None:
        """Cut the replicas off, kill the primary a second later, let them connect."""
        await anyio.sleep(begin)
        primary, replicas = self.servers.primary, self.servers.replicas
        for replica in replicas:
            ask(replica, "CONFIG", "SET", "masterauth", NOBODY_KNOWS)
        ask(primary, "CLIENT", "KILL", "TYPE", "replica")
        await anyio.sleep(CUT_SECONDS)
        self.killed_at = time.monotonic()
        primary.kill()
        for replica in replicas:
            ask(replica, "CONFIG", "SET", "masterauth", "")

    async def _read_along(self) -> None:
        while True:
            self._read()
            await anyio.sleep(LOOK_AGAIN_SECONDS)

    def _read(self) -> None:
        at = time.monotonic()
        for output in self.outputs:
            found = (PAGE.match(line) for line in output.lines())
            self.paged += [
                Paged(person=page[1], incident=page[2], key=page[3], at=at)
                for page in found
                if page
            ]

    async def _settle(self, client: httpx2.AsyncClient) -> None:
        """Ask which incidents are left, and wait until they are paged for."""
        until = time.monotonic() + SETTLED_SECONDS_MAX
        for one in self.promised:
            answer = await client.get(f"/v1/incidents/{one.incident}", headers=BEARER)
            if answer.status_code != httpx2.codes.NOT_FOUND:
                self.known.add(answer.raise_for_status().json()["id"])
        # Nobody sets an event when another process writes a line.
        while self.account().stuck and time.monotonic() < until:  # noqa: ASYNC110
            await anyio.sleep(LOOK_AGAIN_SECONDS)


def _tell(line: str) -> None:
    typer.echo(f"sentinel: {line}", err=True)
