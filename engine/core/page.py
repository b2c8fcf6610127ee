"""
Pages: one person being notified for one step, by their own rules.

Delays count from the start of the page. Rules that are due together go out
together; when a method has failed the next rule goes out at once.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.core.effects import Effect, Send, Withdraw
from engine.core.events import DeliveryReported, Outcome, Responder
from engine.core.incident import Decision, Incident, Page
from engine.core.reasons import Reason

# Trying again ends when the next rule or step is due, or after this.
RETRY_FOR = timedelta(seconds=60)
KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """
    What a notify step asks of the pages it starts.

    Attributes:
        name: Walk, step, round and start number: the first part of a page's id.
        next_step_due: When the walk moves on, which ends retries.
    """

    name: str
    urgency: str
    step_due: datetime
    next_step_due: datetime | None
    caused_by_timer: bool


def start_pages(
    incident: Incident, responders: tuple[Responder, ...], call: Call, at: datetime
) -> Decision:
    """Page everybody who can be reached; in one instant a person is paged once."""
    paged_now = {page.person for page in incident.pages if page.started_at == at}
    effects: list[Effect] = []
    started = False
    for responder in responders:
        if not responder.rules or responder.person in paged_now:
            continue
        paged_now.add(responder.person)
        decision = _start(incident, responder, call, at)
        incident, started = decision.incident, True
        effects += decision.effects
    reached = started or any(r.person in paged_now for r in responders)
    reason = Reason.PAGED if reached else Reason.NOBODY_REACHED

    return Decision(incident=incident, effects=tuple(effects), reason=reason)


def run_page(incident: Incident, page: Page, at: datetime) -> Decision:
    """Send by every rule that is due."""
    walk_dues = [walk.due for walk in incident.walks]
    next_step_due = min(walk_dues, default=None)

    return _send_due(incident, page, at, next_step_due, caused_by_timer=True)


def report(incident: Incident, event: DeliveryReported, at: datetime) -> Decision:
    """Note what became of a notification; after a failure the next rule is due."""
    page = next((p for p in incident.pages if p.id == event.page), None)
    if page is None or event.rule not in page.under_way:
        return Decision(incident=incident, reason=Reason.LATE)
    left = tuple(rule for rule in page.under_way if rule != event.rule)
    heard = replace(page, under_way=left)
    match event.outcome:
        case Outcome.SENT:
            heard = replace(heard, reached=True)
            return Decision(
                incident=_put(incident, page, heard), reason=Reason.DELIVERED
            )
        case Outcome.UNKNOWN:
            heard = replace(heard, reached=True)
            return Decision(
                incident=_put(incident, page, heard), reason=Reason.DELIVERY_UNKNOWN
            )
        case Outcome.FAILED:
            heard = replace(heard, due=at if heard.due else None)
            return Decision(
                incident=_put(incident, page, heard), reason=Reason.METHOD_FAILED
            )


def stop_pages(incident: Incident) -> Decision:
    """End every page and take back what has not begun to leave."""
    effects = tuple(
        Withdraw(page=page.id, rule=rule, channel=page.rules[rule].channel)
        for page in incident.pages
        for rule in page.under_way
    )
    stopped = replace(incident, pages=())

    return Decision(incident=stopped, effects=effects, reason=Reason.NOT_APPLICABLE)


def _start(
    incident: Incident, responder: Responder, call: Call, at: datetime
) -> Decision:
    rules = tuple(sorted(responder.rules, key=lambda rule: rule.delay))
    page = Page(
        id=f"{call.name}.{responder.person}",
        person=responder.person,
        urgency=call.urgency,
        rules=rules,
        step_due=call.step_due,
        started_at=at,
        due=at + rules[0].delay,
        order=incident.last_order + 1,
    )
    added = replace(
        incident, pages=(*incident.pages, page), last_order=incident.last_order + 1
    )

    return _send_due(
        added, page, at, call.next_step_due, caused_by_timer=call.caused_by_timer
    )


def _send_due(
    incident: Incident,
    page: Page,
    at: datetime,
    next_step_due: datetime | None,
    *,
    caused_by_timer: bool,
) -> Decision:
    due = tuple(_due_rules(page, at))
    onward = page.rule + len(due)
    next_due = (
        page.started_at + page.rules[onward].delay if onward < len(page.rules) else None
    )
    effects = tuple(
        Send(
            page=page.id,
            rule=rule,
            person=page.person,
            method=page.rules[rule].method,
            channel=page.rules[rule].channel,
            key=_key(incident, page, rule),
            due=at,
            give_up_at=_give_up_at(at, next_due, next_step_due),
            caused_by_timer=caused_by_timer,
        )
        for rule in due
    )
    sent = replace(page, rule=onward, due=next_due, under_way=(*page.under_way, *due))
    incident = _put(incident, page, sent)
    if effects:
        incident = replace(incident, last_sent_at=at)

    return Decision(incident=incident, effects=effects, reason=Reason.RULE_DUE)


def _due_rules(page: Page, at: datetime) -> Iterator[int]:
    """Yield the rule whose turn it is and those that are overdue with it."""
    if page.due is None or page.due > at:
        return
    yield page.rule
    for rule in range(page.rule + 1, len(page.rules)):
        if page.started_at + page.rules[rule].delay > at:
            return
        yield rule


def _give_up_at(at: datetime, *dues: datetime | None) -> datetime:
    """Return when trying again ends; what is due at once leaves the full time."""
    return min([at + RETRY_FOR, *(due for due in dues if due and due > at)])


def _key(incident: Incident, page: Page, rule: int) -> str:
    """Name what is sent: this method, this rule, for this person's step at its time."""
    parts = (
        incident.id,
        page.person,
        page.rules[rule].method,
        str(rule),
        page.step_due.isoformat(),
    )

    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[: 2 * KEY_BYTES]


def _put(incident: Incident, before: Page, after: Page) -> Incident:
    """Put a page in the place of the old one; one with nothing left to do is gone."""
    is_over = after.due is None and not after.under_way
    moved = () if is_over else (after,)
    pages = tuple(
        page for old in incident.pages for page in (moved if old is before else (old,))
    )

    return replace(incident, pages=pages)
