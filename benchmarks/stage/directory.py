"""The configuration that benchmarks run with: the demo's people, on our channel."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.stage.recorder import CHANNEL
from engine.directory import HIGH, ContactMethod, Directory, Route
from policies.policy import Policy
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)
INTEGRATION = "alertmanager"
# What an alert of a real installation carries; core measures with the same.
LABELS = {
    "alertname": "HighErrorRate",
    "severity": "critical",
    "service": "checkout",
    "job": "checkout-api",
    "cluster": "eu-west-1",
    "namespace": "production",
    "team": "payments",
}
SUMMARY = "The error rate of checkout is above 5 % for ten minutes"
# Alerts with this label walk the policy that it names; all others the first one.
POLICY_LABEL = "policy"
Steps = Sequence[Mapping[str, Any]]


def directory_with(
    policies: Mapping[str, Steps], channels: Sequence[str] = (CHANNEL,)
) -> Directory:
    """
    Return the demo with these policies in place of its own.

    Args:
        policies: The steps of each, as files write them; the first is everybody's.
        channels: Everybody has one contact method on each, and pages use all at once.
    """
    demo = demo_directory(SECRETS)
    users = {
        name: user.model_copy(update={"contact_methods": _methods(name, channels)})
        for name, user in demo.users.items()
    }
    named = [
        Route.model_validate({"match": [f"{POLICY_LABEL}={name}"], "policy": name})
        for name in policies
    ]
    integration = demo.integrations[INTEGRATION].model_copy(
        update={"routes": (*named, Route(policy=next(iter(policies))))}
    )
    high = HIGH.model_copy(update={"channels": tuple(channels)})

    return demo.model_copy(
        update={
            "users": users,
            "urgencies": {**demo.urgencies, high.id: high},
            "policies": {
                name: Policy.model_validate({"id": name, "steps": list(steps)})
                for name, steps in policies.items()
            },
            "integrations": {integration.id: integration},
            "catch_all": None,
        }
    )


def _methods(person: str, channels: Sequence[str]) -> tuple[ContactMethod, ...]:
    return tuple(
        ContactMethod(id=f"{person}-{channel}", channel=channel, address=person)
        for channel in channels
    )
