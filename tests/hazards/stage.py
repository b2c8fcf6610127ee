"""Rung on a server of its own: workers that may have a fault, and what became of it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio
from arq.constants import in_progress_key_prefix
from redis import Redis

from engine.adapters.arq_timers import JOB_ID_PREFIX, QUEUE
from engine.adapters.clock import to_ms
from engine.adapters.redis.wakes import BUCKET_MS
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident
from engine.errors import UnknownIncidentError
from engine.ids import read_incident_id
from engine.ports import Entry, RoutedAlert
from policies.policy import Policy
from tests.support.faulty_worker import UNTIL
from tests.support.journeys import PAGE, ConsolePage
from tests.support.processes import Rung, eventually, running_module
from tests.support.servers import RunningServer
from workers.bootstrap import Installation, connect
from workers.demo import INTEGRATION, Secrets, demo_directory
from workers.settings import Settings

RUNG, FAULTY, FAST = "rung", "tests.support.faulty_worker", "tests.support.fast_worker"
# Long enough that a slow machine opens an incident before its first wait is over.
WAIT = timedelta(seconds=1.5)
T = TypeVar("T")


def policy(name: str, wait: timedelta) -> Policy:
    """Return a policy that pages alice at once, and bob after a wait."""
    return Policy.model_validate(
        {
            "id": name,
            "steps": [
                {"kind": "notify", "targets": ["schedule:primary"]},
                {"kind": "wait", "duration": wait},
                {"kind": "notify", "targets": ["schedule:secondary"]},
            ],
        }
    )


@dataclass
class Stage:
    """One store and its workers; whatever fires pages alice, and bob somewhat later."""

    server: RunningServer
    directory: Path
    wait: timedelta = WAIT
    outputs: list[Path] = field(default_factory=list[Path])

    @property
    def enough(self) -> Path:
        """The file that ends the deed `outlast`."""
        return self.directory / "enough"

    def seed(self) -> None:
        """Load the configuration."""
        secrets = Secrets(api_token="token", ingest_key="key")  # noqa: S106 - a fake one
        quick = policy("default", self.wait)
        given = demo_directory(secrets).model_copy(
            update={"policies": {quick.id: quick}}
        )

        async def seed(installation: Installation) -> bool:
            return await installation.configuration.seed(given)

        assert self.ask(seed)

    def fire(self, *keys: str) -> list[str]:
        """Take in an alert for each key, as the web process does; return incidents."""
        routed = [
            RoutedAlert(alert=an_alert(key), integration=INTEGRATION, key=key)
            for key in keys
        ]

        async def fire(installation: Installation) -> list[str]:
            receipts = await installation.desk.ingest(routed)
            return [str(receipt.incident_id) for receipt in receipts]

        return self.ask(fire)

    def fire_at(self, worker: Rung) -> str:
        """Take in an alert as soon as a worker works; return the incident."""
        worker.wait_for("worker.started")
        [incident] = self.fire("db")

        return incident

    def history(self, incident: str) -> Sequence[Entry]:
        """Return what happened to an incident."""

        async def read(installation: Installation) -> Sequence[Entry]:
            return await installation.reader.history(incident)

        return self.ask(read)

    def ask(self, what: Callable[[Installation], Awaitable[T]]) -> T:
        """Do something with what every process of rung works with."""

        async def ask() -> T:
            async with connect(Settings(), self.server.url) as installation:
                await installation.prepare()
                return await what(installation)

        return anyio.run(ask)

    @contextmanager
    def worker(self, *fault: str, module: str = RUNG) -> Iterator[Rung]:
        """Run a worker for as long as the block lasts, with a fault if one is given."""
        arguments = fault or ("worker",)
        which = FAULTY if fault else module
        self.outputs.append(self.directory / f"output-{len(self.outputs)}")
        environment = {"REDIS_URL": self.server.url, UNTIL: str(self.enough)}
        with running_module(
            which, self.outputs[-1], *arguments, **environment
        ) as worker:
            yield worker

    def pages(self) -> list[ConsolePage]:
        """Return every line of the console, over all workers."""
        text = "".join(each.read_text(encoding="utf-8") for each in self.outputs)

        return [ConsolePage(*found) for found in PAGE.findall(text)]

    def people(self) -> list[str]:
        """Return whom the console told, a person as often as there are lines."""
        return [page.person for page in self.pages()]

    def counted(self) -> Counter[str]:
        """
        Return how many pages there were of each person.

        A page that was under way when its sender was killed may be written again. It is
        the same page, as its name says, and counts once.
        """
        return Counter({page.key: page.person for page in self.pages()}.values())

    def told(self) -> Counter[tuple[str, str]]:
        """Return how often the console told somebody of an incident."""
        return Counter(
            (page.person, read_incident_id(page.incident)) for page in self.pages()
        )

    def wait_for(self, person: str, count: int = 1) -> None:
        """Return as soon as the console has told somebody so often."""
        eventually(lambda: self.people().count(person) >= count)

    def wait_for_reports(self, incident: str, count: int) -> None:
        """Return when so many pages have been reported as sent: those are over."""
        eventually(lambda: len(self.reports(incident)) >= count)
        assert {Outcome.SENT} == {report.outcome for report in self.reports(incident)}

    def reports(self, incident: str) -> list[DeliveryReported]:
        """Return what was reported of the pages of an incident, which may be unread."""
        try:
            events = [entry.event for entry in self.history(incident)]
        except UnknownIncidentError:
            return []

        return [one for one in events if isinstance(one, DeliveryReported)]

    def jobs(self) -> set[str]:
        """Return the ids of all that is in arq's queue."""
        return set(self._look("ZRANGE", QUEUE, 0, -1))

    def jobs_under_way(self) -> set[str]:
        """Return the ids of the wake jobs that arq takes for being run."""
        names = self._look("KEYS", f"{in_progress_key_prefix}{JOB_ID_PREFIX}*")

        return {name.removeprefix(in_progress_key_prefix) for name in names}

    def job_of(self, incident: str) -> str:
        """Return the id of the wake job for what an incident waits for."""

        async def find(installation: Installation) -> Incident:
            return await installation.engine.find(incident)

        due = self.ask(find).next_due
        assert due is not None

        return f"{JOB_ID_PREFIX}{to_ms(due) // BUCKET_MS}"

    def _look(self, *command: object) -> list[str]:
        """Look at keys of arq's own."""
        with Redis.from_url(self.server.url, decode_responses=True) as client:
            found: list[str] = client.execute_command(*command)

        return found


def an_alert(key: str) -> Alert:
    """Return an alert that fires."""
    return Alert(
        id=f"notice-{key}",
        fingerprint=key,
        status=AlertStatus.FIRING,
        title=key,
        labels={"alertname": key},
    )
