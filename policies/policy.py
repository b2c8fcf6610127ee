"""Policies, and the snapshots of them that incidents keep."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from policies.durations import Duration
from policies.steps import NO_TIME, WAIT_MAX, Step, can_page
from policies.targets import Name

STEPS_MAX = 100
REPEATS_MAX = 100
HASH_BYTES = 16


class Repeat(BaseModel):
    """
    How often the steps are walked again when nobody took the incident.

    Attributes:
        count: Further rounds, beside the first.
        delay: The pause between the last step of a round and the next round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[int, Field(ge=0, le=REPEATS_MAX)] = 0
    delay: Annotated[Duration, Field(ge=NO_TIME, le=WAIT_MAX)] = timedelta(0)


class Policy(BaseModel):
    """
    An ordered walk through steps.

    It is data: it knows nothing of incidents, queues or people's phones. One
    without steps is legal; its incidents are collected and nobody is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    name: str = ""
    steps: Annotated[tuple[Step, ...], Field(max_length=STEPS_MAX)] = ()
    repeat: Repeat = Repeat()

    @property
    def can_page(self) -> bool:
        """Whether any step of it can page anybody."""
        return any(can_page(step) for step in self.steps)


class Snapshot(BaseModel):
    """
    A policy and all it can reach, as they were when an incident opened.

    An edit never changes an escalation that is under way. The hash is taken of
    the content, so that incidents of one policy share one snapshot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: str
    root: str
    policies: Mapping[str, Policy]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Take a snapshot of the policy that an incident starts with."""
        policies = {policy.id: policy}
        content = CONTENT.dump_json(policies)
        digest = hashlib.sha256(policy.id.encode() + b"\0" + content).hexdigest()

        return cls(hash=digest[: 2 * HASH_BYTES], root=policy.id, policies=policies)


CONTENT = TypeAdapter(Mapping[str, Policy])
