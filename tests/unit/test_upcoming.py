"""What an incident does next, in words."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.core.events import Acknowledged, Snoozed
from engine.core.incident import Call, Checklist, Incident, Page, Restart
from engine.core.machine import decide
from engine.directory import Rule
from policies.policy import Policy, Snapshot
from policies.steps import WaitStep
from tests.web.fakes import NOW, an_incident
from workers.upcoming import upcoming

MINUTE = timedelta(minutes=1)
RULE = Rule(delay=MINUTE, method="phone", channel="sms")
COMMAND: dict[str, Any] = {"at": NOW, "id": "c", "by": "bob"}


def quiet(**changes: Any) -> Incident:
    """Return an incident without walks."""
    return replace(an_incident(), walks=(), **changes)


def walking(**changes: Any) -> Incident:
    """Return an incident whose walk is changed like this."""
    incident = an_incident()
    policy = Policy(id="default", steps=(WaitStep(duration=MINUTE),))
    [walk] = incident.walks

    return replace(
        incident, snapshot=Snapshot.of(policy), walks=(replace(walk, **changes),)
    )


PAGE = Page(
    id="p",
    walk=1,
    person="alice",
    urgency="high",
    rules=(RULE, RULE),
    step_due=NOW,
    started_at=NOW,
    due=NOW + MINUTE,
    order=1,
)


@pytest.mark.parametrize(
    ("incident", "texts"),
    [
        (an_incident(), ["step 1 of policy default (notify) runs"]),
        (walking(), ["step 1 of policy default (wait) ends"]),
        (walking(step=1), ["policy default is left"]),
        (walking(asked_at=NOW), ["policy default goes on without an answer"]),
        (walking(policy="gone"), ["policy gone is left"]),
        (walking(due=None), []),
        (quiet(pages=(PAGE,)), ["alice is notified again, by their next rule"]),
        (
            quiet(calls=(Call(id=1, due=NOW, order=1, urgency="high"),)),
            ["somebody to tell is looked for again"],
        ),
        (
            quiet(calls=(Call(id=1, due=NOW, order=1, urgency="high", asked_at=NOW),)),
            ["it goes on without an answer of the look-up"],
        ),
        (
            quiet(checklists=(Checklist(id="c", source="s", text="x", due=NOW, order=1),)),
            ["its instructions are posted again"],
        ),
        (
            quiet(restart=Restart(generation=1, due=NOW, order=1, at=NOW)),
            ["it starts again at step 1"],
        ),
        (quiet(exhausts_at=NOW), ["it counts as exhausted"]),
        (
            decide(
                replace(an_incident(), acknowledged_for=MINUTE), Acknowledged(**COMMAND)
            ).incident,
            ["its acknowledgement ends"],
        ),
        (
            decide(an_incident(), Snoozed(**COMMAND, until=NOW + MINUTE)).incident,
            ["its snooze ends"],
        ),
        (decide(an_incident(), Snoozed(**COMMAND)).incident, []),
    ],
)  # fmt: skip
def test_text(incident: Incident, texts: list[str]) -> None:
    """Each timer of an incident has words of its own."""
    assert texts == [one.text for one in upcoming(incident)]


def test_order() -> None:
    """What comes first is told first, and it is when the incident is due."""
    incident = replace(an_incident(), pages=(PAGE,), exhausts_at=NOW + 2 * MINUTE)
    dues = [one.at for one in upcoming(incident)]

    assert [NOW, NOW + MINUTE, NOW + 2 * MINUTE] == dues
    assert incident.next_due == dues[0]
