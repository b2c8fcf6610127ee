"""What an incident does by itself next: each of its timers, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from engine.core.incident import Call, Incident, Page, Status, Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """Something that happens at this time, unless something else comes first."""

    at: datetime
    text: str


def upcoming(incident: Incident) -> list[Upcoming]:
    """Return what is due of an incident, what comes first first."""
    found = [
        Upcoming(at=at, text=text) for at, text in _timers(incident) if at is not None
    ]

    return sorted(found, key=lambda one: one.at)


def _timers(incident: Incident) -> Iterator[tuple[datetime | None, str]]:
    for walk in incident.walks:
        yield walk.due, _of_walk(incident, walk)
    for page in incident.pages:
        yield page.due, _of_page(page)
    for call in incident.calls:
        yield call.due, _of_call(call)
    for checklist in incident.checklists:
        yield checklist.due, "its instructions are posted again"
    if incident.restart is not None:
        yield incident.restart.due, "it starts again at step 1"
    is_snoozed = incident.status is Status.SNOOZED
    yield (
        incident.returns_at,
        f"its {'snooze' if is_snoozed else 'acknowledgement'} ends",
    )
    yield incident.exhausts_at, "it counts as exhausted"


def _of_walk(incident: Incident, walk: Walk) -> str:
    policy = incident.snapshot.policies.get(walk.policy)
    steps = policy.steps if policy is not None else ()
    if walk.asked_at is not None:
        return f"policy {walk.policy} goes on without an answer"
    if walk.step >= len(steps):
        return f"policy {walk.policy} is left"
    kind = steps[walk.step].kind
    doing = "ends" if kind == "wait" else "runs"

    return f"step {walk.step + 1} of policy {walk.policy} ({kind}) {doing}"


def _of_page(page: Page) -> str:
    return f"{page.person} is notified again, by their next rule"


def _of_call(call: Call) -> str:
    if call.asked_at is None:
        return "somebody to tell is looked for again"

    return "it goes on without an answer of the look-up"
