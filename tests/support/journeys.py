"""One alert's whole way through a rung of its own, with waits short enough to watch."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from os import environ
from pathlib import Path
from typing import Any

import anyio
import httpx2

from engine.directory import Directory, Integration, Route, hash_secret
from policies.policy import Policy
from policies.steps import NotifyStep, WaitStep
from policies.targets import ScheduleTarget
from tests.support.processes import Rung, eventually, running_rung
from tests.support.servers import free_port
from workers.bootstrap import connect
from workers.demo import demo_directory, read_secrets
from workers.embedded import embedded_redis
from workers.settings import Settings

WAIT = timedelta(seconds=1)
# PagerDuty's own are 32 characters.
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
PAGE = re.compile(r"PAGE  (\w+)  .*  \((inc_\w+) · page (\w+) · attempt [^)]+\)")


@dataclass(frozen=True)
class ConsolePage:
    """One line of the console."""

    person: str
    incident: str
    key: str


@dataclass
class Installed:
    """
    A rung with its data in one directory, which may be killed and started again.

    It listens on the same port each time, so that senders find it again.
    """

    directory: Path
    port: int = field(default_factory=free_port)
    outputs: list[Path] = field(default_factory=list[Path])

    @property
    def address(self) -> str:
        """Where it listens while it runs."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, **environment: str) -> AbstractContextManager[Rung]:
        """Start it; the block's end stops it, unless it has ended before."""
        self.outputs.append(self.directory / f"output-{len(self.outputs)}")
        data = {"RUNG_DATA_DIR": str(self.data), "PORT": str(self.port)}

        return running_rung(self.outputs[-1], "up", **(data | environment))

    @property
    def data(self) -> Path:
        """Where its data is."""
        return self.directory / "data"

    @property
    def ingest(self) -> str:
        """The address that alerts are posted to."""
        key = (self.data / "ingest_key").read_text().strip()

        return f"{self.address}/ingest/alertmanager/{key}"

    def pages(self) -> list[ConsolePage]:
        """Return what the console has shown so far, over all starts."""
        text = "".join(each.read_text(encoding="utf-8") for each in self.outputs)

        return [ConsolePage(*found) for found in PAGE.findall(text)]

    def people(self) -> list[str]:
        """Return who was paged, in order, each once."""
        return list(dict.fromkeys(page.person for page in self.pages()))

    def ask(self, method: str, path: str, **headers: str) -> Any:
        """Ask its API as whoever holds the token; fail unless it is a success."""
        token = (self.data / "api_token").read_text().strip()
        answer = httpx2.request(
            method,
            self.address + path,
            headers={"Authorization": f"Bearer {token}"} | headers,
        )

        return answer.raise_for_status().json()

    def status(self, incident: str) -> str:
        """Return the status of an incident."""
        status: str = self.ask("GET", f"/v1/incidents/{incident}")["status"]

        return status

    def incident_with(self, dedup_key: str) -> str:
        """Return the id of the newest incident with a dedup key, as soon as it is there."""
        found: list[str] = []

        def is_there() -> bool:
            for one in self.ask("GET", "/v1/incidents?status=all")["incidents"]:
                incident = self.ask("GET", f"/v1/incidents/{one['id']}")
                if incident["dedup_key"] == dedup_key:
                    found.append(one["id"])
                    return True

            return False

        eventually(is_there)

        return found[0]


def seed_quick_demo(data: Path) -> None:
    """Load the demo, with waits of a second, into the store of a data directory."""
    seed(data, with_quick_policy(demo_directory(read_secrets(data))))


def seed_with_pagerduty(data: Path) -> str:
    """Load the quick demo with an integration for PagerDuty events; return its key."""
    directory = with_quick_policy(demo_directory(read_secrets(data)))
    pagerduty = Integration(
        id="pagerduty",
        name="PagerDuty events",
        source="pagerduty",
        key_hash=hash_secret(ROUTING_KEY),
        routes=(Route(policy="default"),),
    )
    integrations = {**directory.integrations, pagerduty.id: pagerduty}
    seed(data, directory.model_copy(update={"integrations": integrations}))

    return ROUTING_KEY


def seed(data: Path, directory: Directory) -> None:
    """Load a directory into the empty store of a data directory."""
    with embedded_redis(data, environ) as server:
        seed_store(server.url, directory)


def seed_store(url: str, directory: Directory) -> None:
    """Load a directory into an empty store."""

    async def seeded() -> bool:
        async with connect(Settings(), url) as installation:
            await installation.prepare()

            return await installation.configuration.seed(directory)

    assert anyio.run(seeded)


def with_quick_policy(
    directory: Directory, waits: Sequence[timedelta] = (WAIT, WAIT, WAIT)
) -> Directory:
    """Return a directory whose only policy pages one after the other, so far apart."""
    steps: list[NotifyStep | WaitStep] = []
    for schedule, wait in zip(("primary", "secondary", "manager"), waits, strict=True):
        steps.append(NotifyStep(targets=(ScheduleTarget(id=schedule),)))
        steps.append(WaitStep(duration=wait))
    quick = Policy(id="default", name="Quick", steps=tuple(steps))

    return directory.model_copy(update={"policies": {quick.id: quick}})


def until_accepted(post: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Repeat a request until it is answered with a success, as good senders do."""
    answers: list[httpx2.Response] = []

    def accepted() -> bool:
        try:
            answer = post()
        except httpx2.TransportError:
            return False
        answers.append(answer)

        return answer.is_success

    eventually(accepted)

    return answers[-1]
