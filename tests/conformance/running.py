"""What the conformance cases are run with: policies by hand, people by name."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.adapters.memory import ManualClock
from policies.policy import Policy
from policies.steps import LENIENT
from tests.support.driver import MIDNIGHT, Driver, a_user

PEOPLE = ("alice", "bob", "carol", "wendy")
MONDAY = MIDNIGHT


def a_policy(*steps: Mapping[str, Any], name: str = "root", **settings: Any) -> Policy:
    """Return a policy as some surface could have made it."""
    fields = {"id": name, "steps": list(steps), **settings}

    return Policy.model_validate(fields, context=LENIENT)


def notify(*targets: str, wait_before: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a step that pages, so many seconds after the one before."""
    named = [target if ":" in target else f"user:{target}" for target in targets]

    return {
        "kind": "notify",
        "targets": named,
        "wait_before": wait_before,
        **fields,
    }


class Run:
    """One incident of a case, from its opening on."""

    def __init__(self, *policies: Policy, opened_at: datetime = MONDAY) -> None:
        self.driver = Driver(*policies)
        self.driver.change(users={name: a_user(name) for name in PEOPLE})
        clock = self.driver.clock
        assert isinstance(clock, ManualClock)
        clock.advance(opened_at - clock.now())
        self.opened_at = opened_at

    async def open(self, **labels: str) -> "Run":
        """Open the incident."""
        await self.driver.alert("case", "case", fires=True, labels=labels)

        return self

    async def advance(self, seconds: float) -> "Run":
        """Let time pass."""
        await self.driver.pass_time(timedelta(seconds=seconds))

        return self

    def notified(self) -> list[list[Any]]:
        """Return who was notified, each after how many seconds."""
        return [
            [int((at - self.opened_at).total_seconds()), person]
            for at, person in self.driver.sent()
        ]

    async def timeline(self) -> list[str]:
        """Return the reasons of its history."""
        return [str(reason) for reason in await self.driver.timeline("case")]

    async def status(self) -> str:
        """Return its status."""
        return (await self.driver.incident("case")).status


async def notified_per_incident(
    policies: Sequence[Policy], openings: Sequence[tuple[datetime, Mapping[str, str]]]
) -> list[list[list[Any]]]:
    """Return who was notified at once, of incidents that open at these times."""
    found = []
    for at, labels in openings:
        run = await Run(*policies, opened_at=at).open(**labels)
        found.append(run.notified())

    return found
