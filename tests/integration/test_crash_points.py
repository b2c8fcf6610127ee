"""A process dies at a chosen call of a port, or sleeps past its lease; others go on."""

import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
import redis

from benchmarks.chaos.crashes import (
    Point,
    crashing_ground,
    measure,
    points_of,
    problems,
)
from benchmarks.chaos.way import WEB, WORKER
from benchmarks.chaos.way_configured import PEOPLE
from benchmarks.options import Options
from engine.adapters.redis import keys
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Acknowledged
from engine.core.incident import Incident, Status
from engine.ports import RoutedAlert
from tests.support.dying_process import SIGNALLED
from tests.support.journeys import (
    PAGE,
    WAIT,
    ConsolePage,
    seed_store,
    with_quick_policy,
)
from tests.support.overdue import forgotten, overdue
from tests.support.processes import (
    Rung,
    eventually,
    holds_for,
    running_module,
    running_rung,
)
from tests.support.servers import RunningServer, found_servers, running_server
from workers.bootstrap import Installation, connect
from workers.demo import INTEGRATION, Secrets, demo_directory
from workers.settings import Settings

# The leases of a claim and of a delivery, and how often the sweep looks; a second for
# a machine that is busy.
LEASE_SECONDS, SWEEP_SECONDS, SLACK_SECONDS = 3.0, 2.0, 1.0
TAKEN_UP_SECONDS = LEASE_SECONDS + SWEEP_SECONDS + SLACK_SECONDS
# Its page has left, and nobody has been told of it.
AGAIN = (WORKER, "after channel.send", 2)
DAILY = [
    (WEB, "after mailbox.append", 1),
    (WEB, "after store.commit", 1),
    (WORKER, "before store.commit", 1),
    (WORKER, "before mailbox.post", 1),
    (WORKER, "after turns.take", 1),
    (WORKER, "after store.commit", 4),
    AGAIN,
]
# At least: 9 claims and commits, 4 sends, their reports, and the polls between them.
MOMENTS = 150
# The third person is not paged before the second one has taken it.
LONG_WAIT = timedelta(minutes=1)
JOINS = 20
SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    place = tmp_path_factory.mktemp("redis")
    with running_server(found_servers()[-1], place) as running:
        yield running


def an_alert(alert_id: str) -> RoutedAlert:
    """Return one more notice of the alert that all is about."""
    alert = Alert(
        id=alert_id,
        fingerprint="db1",
        status=AlertStatus.FIRING,
        title="DiskFull",
        labels={},
    )

    return RoutedAlert(alert=alert, integration=INTEGRATION, key="db1")


@dataclass
class Journey:
    """One incident, and the workers that have to do with it."""

    url: str
    directory: Path
    stack: ExitStack
    workers: list[Rung] = field(default_factory=list[Rung])

    def start(self, *fate: str) -> Rung:
        """Start a worker; one with a fate is sent this signal at this moment."""
        output = self.directory / f"output-{len(self.workers)}"
        started = (
            running_module(
                "tests.support.dying_process", output, *fate, REDIS_URL=self.url
            )
            if fate
            else running_rung(output, "worker", REDIS_URL=self.url)
        )
        self.workers.append(self.stack.enter_context(started))

        return self.workers[-1]

    def ask(self, what: Callable[[Installation], Awaitable[object]]) -> object:
        """Ask the engine, as the web process does."""

        async def connected() -> object:
            async with connect(Settings(), self.url) as installation:
                await installation.prepare()
                return await what(installation)

        return anyio.run(connected)

    def fire(self, count: int = 1) -> str:
        """Take an alert in, so often; return the incident's id."""

        async def ingest(installation: Installation) -> str:
            alerts = [an_alert(installation.ids.command_id()) for _ in range(count)]
            receipts = await installation.desk.ingest(alerts)

            return receipts[-1].incident_id or ""

        return str(self.ask(ingest))

    def acknowledge(self, incident: str) -> Incident:
        """Take the incident, as somebody who was paged does."""

        async def obey(installation: Installation) -> Incident:
            command = Acknowledged(at=installation.clock.now(), id="taken", by="bob")

            return (await installation.desk.obey(incident, command)).incident

        taken = self.ask(obey)
        assert isinstance(taken, Incident)

        return taken

    def pages(self) -> list[ConsolePage]:
        """Return what the consoles have shown, one console after the other."""
        text = "".join(worker.text() for worker in self.workers)

        return [ConsolePage(*found) for found in PAGE.findall(text)]

    def until_paged(self, person: str) -> float:
        """Return how many seconds from now it takes until somebody has been paged."""
        began = time.monotonic()
        eventually(lambda: person in [page.person for page in self.pages()])

        return time.monotonic() - began


@pytest.fixture(name="journey")
def _journey(server: RunningServer, tmp_path: Path) -> Iterator[Journey]:
    """Return a journey that has not begun, on an empty store."""
    with redis.Redis(port=server.port) as client, ExitStack() as stack:
        client.flushall()
        directory = with_quick_policy(demo_directory(SECRETS), [WAIT, LONG_WAIT, WAIT])
        seed_store(server.url, directory)
        yield Journey(server.url, tmp_path, stack)


def moment_of(worker: Rung) -> str:
    """Return the moment at which a worker was sent its signal, when it was."""
    return str(worker.wait_for(SIGNALLED)[0])


def left_behind(server: RunningServer) -> list[str]:
    """Return what is due in the store now, and what nobody will be woken for."""
    with redis.Redis(port=server.port) as client:
        return [*overdue(client), *forgotten(client)]


@pytest.mark.timeout(90)
def test_killed() -> None:
    """Whoever goes on ends the way as if nobody had died, and repeats what was in flight."""
    with crashing_ground(len(DAILY)) as ground:
        plain = ground.walk()
        points = [one for one in points_of(plain.moments) if _place(one) in DAILY]
        tried = list(ground.tried(points, plain))

    assert [] == problems(tried)
    assert sorted(DAILY) == sorted(_place(one.point) for one in tried if one.is_met)
    assert [AGAIN] == [_place(one.point) for one in tried if one.came_again]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_anywhere() -> None:
    """The same is true of every call on an alert's way, on both sides of it."""
    figures = measure(Options())

    assert [] == figures["broken"]
    assert figures["tried"] == figures["points"] > MOMENTS
    # Those that are left are polls that did not come to be.
    assert figures["met"] > 0.9 * figures["tried"]
    assert figures["pages_came_again"] >= len(PEOPLE)


def _place(point: Point) -> tuple[str, str, int]:
    return (point.role, *point.moment)


@pytest.mark.parametrize(
    ("moment", "count", "again"),
    [
        pytest.param("before store.commit", 1, 0, id="with-mail"),
        pytest.param("before outbox.begin", 1, 0, id="before-it-began-to-send"),
        pytest.param("before channel.send", 1, 1, id="in-flight"),
        pytest.param("after store.claim", 1, 0, id="undecided", marks=pytest.mark.long),
        pytest.param(
            "before store.commit", 3, 0, id="with-a-timer", marks=pytest.mark.long
        ),
    ],
)
def test_asleep_past_its_lease(
    server: RunningServer, journey: Journey, moment: str, count: int, again: int
) -> None:
    """Who sleeps while others go on does nothing anew when he wakes up."""
    asleep = journey.start("SIGSTOP", moment, str(count))
    journey.stack.callback(asleep.process.send_signal, signal.SIGCONT)
    asleep.wait_for("worker.started")
    incident = journey.fire()
    moment_of(asleep)
    journey.start().wait_for("worker.started")
    primary, secondary = journey.until_paged("alice"), journey.until_paged("bob")
    asleep.process.send_signal(signal.SIGCONT)
    eventually(lambda: len(journey.pages()) >= 2 + again)
    holds_for(WAIT / 2, lambda: len(journey.pages()) == 2 + again)
    taken = journey.acknowledge(incident)
    eventually(lambda: left_behind(server) == [])

    assert primary < TAKEN_UP_SECONDS
    assert secondary < TAKEN_UP_SECONDS + WAIT.total_seconds()
    assert (Status.ACKNOWLEDGED, None) == (taken.status, taken.next_due)
    assert {"alice", "bob"} == {page.person for page in journey.pages()}
    assert 2 == len(set(journey.pages()))
    assert "Traceback" not in asleep.text()


def test_two_drains(server: RunningServer, journey: Journey) -> None:
    """Two workers and a flood of joins to one incident: each is paged once, in time."""
    for _ in range(2):
        journey.start().wait_for("worker.started")
    began = time.monotonic()
    incident = journey.fire()
    journey.until_paged("alice")
    while len(journey.pages()) < 2 and time.monotonic() < began + TAKEN_UP_SECONDS:
        journey.fire(JOINS)
    waited = time.monotonic() - began
    eventually(lambda: left_behind(server) == [])
    journey.acknowledge(incident)

    assert ["alice", "bob"] == sorted(page.person for page in journey.pages())
    assert WAIT.total_seconds() < waited < WAIT.total_seconds() + LEASE_SECONDS


def test_nobody_works(server: RunningServer, journey: Journey) -> None:
    """Without a worker an alert stays overdue; out of its list it would be forgotten."""
    incident = journey.fire()
    prefix = keys.prefix_of(incident)
    time.sleep(0.01)
    waiting = left_behind(server)
    with redis.Redis(port=server.port) as client:
        client.delete(f"{prefix}mail")
        client.hset(f"{prefix}i:{incident}", "d", 1)

    assert [f"{incident} in {prefix}mail"] == waiting
    assert [
        f"{incident} has mail, and is not in {prefix}mail",
        f"{incident} is due, and not in {prefix}due",
    ] == left_behind(server)
