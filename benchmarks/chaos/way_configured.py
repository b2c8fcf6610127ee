"""What one alert's way leads through: a policy, people, and a look-up outside."""

from datetime import timedelta

from engine.directory import ContactMethod, Directory, User
from policies.policy import Policy
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)
PEOPLE = ("alice", "bob", "carol", "dora")
ALERT = {
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "db1"},
            "startsAt": "2026-11-24T03:00:00Z",
        }
    ]
}
POLICY = Policy.model_validate(
    {
        "id": "default",
        "steps": [
            {
                "kind": "notify",
                "targets": ["schedule:primary", "schedule:secondary"],
                "each": "next_each_time",
            },
            {"kind": "wait", "duration": timedelta(seconds=0.3)},
            {"kind": "notify", "targets": ["user:bob"]},
            {"kind": "wait", "duration": timedelta(seconds=0.5)},
            {"kind": "notify", "targets": ["user:carol"]},
            {"kind": "wait", "duration": timedelta(seconds=0.3)},
            {"kind": "notify", "targets": ["user:dora"]},
            # Longer than a send comes back after a kill: it must never be over.
            {"kind": "wait", "duration": timedelta(minutes=1)},
            {"kind": "notify", "targets": ["user:bob"]},
        ],
    }
)
# A look-up that is answered outside: an incident waits for it, a drain does not.
OUTSIDE = """
import anyio
from rung.oncall import OnCall, OnCallReason

SCHEDULES = {"primary": ("alice",), "secondary": ("bob",)}

class Outside:
    def __init__(self, environment):
        pass

    async def who(self, target, at):
        await anyio.sleep(0.01)
        return OnCall(
            people=SCHEDULES[target.id], reason=OnCallReason.EVENT, source="outside"
        )
"""


def directory() -> Directory:
    """Return the configuration: the demo with one person more, and this policy."""
    demo = demo_directory(SECRETS)
    method = ContactMethod(id="dora-console", channel="console")
    dora = User(id="dora", name="Dora", contact_methods=(method,))

    return demo.model_copy(
        update={
            "policies": {POLICY.id: POLICY},
            "users": {**demo.users, dora.id: dora},
        }
    )
