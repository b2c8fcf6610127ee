"""
Pages: one responder being notified for one step, by their own rules.

Delays count from the start of the page. Rules that are due together go out
together; when a method has failed the next rule goes out at once. Who is paged again
while an older page runs gets one page: the newer starts its rules, and what is left of
the older goes out when it would have, or earlier.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.changing import changed
from engine.core.effects import Effect, Send, Withdraw
from engine.core.events import Responder
from engine.core.incident import Incident, Page
from engine.directory import Rule

# Trying again ends when the next rule or step is due, or after this.
RETRY_FOR = timedelta(seconds=60)
KEY_BYTES = 16
NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """
    What a notify step, or somebody, asks of the pages it starts.

    Attributes:
        walk: The walk or call that asks.
        name: Walk, step, round and start number: the first part of a page's id.
        step_due: When the step should have run: what keys are made of.
        next_step_due: When the walk moves on, which ends retries.
    """

    walk: int
    name: str
    urgency: str
    step_due: datetime
    next_step_due: datetime | None
    caused_by_timer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    What came of it.

    Attributes:
        pages: Ids of the pages that may reach somebody.
        merged: Ids of older pages, each with the one that took over what was left.
    """

    incident: Incident
    effects: tuple[Effect, ...] = ()
    pages: tuple[str, ...] = ()
    merged: tuple[tuple[str, str], ...] = ()


def start_pages(
    incident: Incident,
    responders: tuple[Responder, ...],
    request: PageRequest,
    at: datetime,
) -> Started:
    """Page everybody who can be reached; in one instant a person is paged once."""
    started = Started(incident=incident)
    for responder in responders:
        if responder.rules:
            started = _start(started, responder, request, at)

    return started


def run_page(incident: Incident, page: Page, at: datetime) -> Started:
    """Send by every rule that is due."""
    walk_dues = [walk.due for walk in incident.walks if walk.due]

    return _send_due(
        incident, page, at, min(walk_dues, default=None), caused_by_timer=True
    )


def note_success(incident: Incident, page: Page, rule: int) -> Incident:
    """Note that a notification has, or may have, arrived."""
    return put_page(incident, page, changed(page, under_way=_without(page, rule)))


def note_failure(incident: Incident, page: Page, rule: int, at: datetime) -> Incident:
    """
    Note that a method has failed: the next rule goes out at once.

    What was left of a page that a newer one took over is hurried there.
    """
    failed = changed(page, under_way=_without(page, rule), due=at if page.due else None)
    noted = put_page(incident, page, failed)
    newer = [p for p in noted.pages if p.person == page.person and p.due]
    if page.due or not newer:
        return noted

    return put_page(noted, newer[-1], changed(newer[-1], due=at))


def stop_pages(incident: Incident) -> tuple[Incident, tuple[Effect, ...]]:
    """End every page and take back what has not begun to leave."""
    effects: tuple[Effect, ...] = tuple(
        Withdraw(page=page.id, rule=rule)
        for page in incident.pages
        for rule in page.under_way
    )

    return changed(incident, pages=()), effects


def is_again(incident: Incident, page: Page) -> bool:
    """Tell whether a page is of somebody who was looked for again, at the end."""
    return any(call.id == page.walk and call.step for call in incident.calls)


def page_of(incident: Incident, page_id: str) -> Page | None:
    """Return a page that is not over."""
    return next((page for page in incident.pages if page.id == page_id), None)


def put_page(incident: Incident, before: Page, after: Page) -> Incident:
    """Put a page in the place of the old one; one with nothing left to do is gone."""
    is_over = after.due is None and not after.under_way
    moved = () if is_over else (after,)
    pages = tuple(
        page for old in incident.pages for page in (moved if old is before else (old,))
    )

    return changed(incident, pages=pages)


def _start(
    started: Started, responder: Responder, request: PageRequest, at: datetime
) -> Started:
    incident = started.incident
    known = [page for page in incident.pages if page.person == responder.person]
    if incident.paged_at == at and responder.person in incident.paged:
        now = {page.id for page in known if page.started_at == at}
        return changed(started, pages=(*started.pages, *(now - {*started.pages})))
    rules = _merged_rules(responder.rules, known, at)
    page = _page(incident, responder.person, rules, request, at)
    for older in known:
        incident = put_page(incident, older, changed(older, due=None))
    paged_now = incident.paged if incident.paged_at == at else ()
    added = changed(
        incident,
        pages=(*incident.pages, page),
        last_order=page.order,
        paged_at=at,
        paged=(*paged_now, responder.person),
    )
    sent = _send_due(
        added,
        page,
        at,
        request.next_step_due,
        caused_by_timer=request.caused_by_timer,
    )

    return Started(
        incident=sent.incident,
        effects=(*started.effects, *sent.effects),
        pages=(*started.pages, page.id),
        merged=(*started.merged, *((older.id, page.id) for older in known)),
    )


def _page(
    incident: Incident,
    person: str,
    rules: tuple[Rule, ...],
    request: PageRequest,
    at: datetime,
) -> Page:
    return Page(
        id=f"{request.name}.{person}",
        walk=request.walk,
        person=person,
        urgency=request.urgency,
        rules=rules,
        step_due=request.step_due,
        started_at=at,
        due=at + rules[0].delay,
        order=incident.last_order + 1,
    )


def _merged_rules(
    rules: tuple[Rule, ...], older: list[Page], at: datetime
) -> tuple[Rule, ...]:
    """
    Return the rules of a page, with what is left of older ones of the same person.

    Each contact method goes out at the earlier of its times (SEMANTICS 4).
    """
    kept = list(rules)
    paired: set[int] = set()
    for old in _left_of(older, at):
        same = (n for n, rule in enumerate(rules) if rule.method == old.method)
        number = next((n for n in same if n not in paired), None)
        if number is None:
            kept.append(old)
            continue
        paired.add(number)
        if old.delay < kept[number].delay:
            kept[number] = old

    return tuple(sorted(kept, key=lambda rule: rule.delay))


def _left_of(older: list[Page], at: datetime) -> list[Rule]:
    """Return what older pages have still to send, with its delays from now on."""
    return [
        Rule(
            delay=max(NO_TIME, _due_of(page, number) - at),
            method=page.rules[number].method,
            channel=page.rules[number].channel,
        )
        for page in older
        if page.due
        for number in range(page.rule, len(page.rules))
    ]


def _due_of(page: Page, rule: int) -> datetime:
    """Return when a rule goes out; the next one may be due early, after a failure."""
    due = page.started_at + page.rules[rule].delay

    return min(due, page.due) if page.due and rule == page.rule else due


def _send_due(
    incident: Incident,
    page: Page,
    at: datetime,
    next_step_due: datetime | None,
    *,
    caused_by_timer: bool,
) -> Started:
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
            give_up_at=give_up_at(at, next_due, next_step_due),
            caused_by_timer=caused_by_timer,
        )
        for rule in due
    )
    sent = changed(page, rule=onward, due=next_due, under_way=(*page.under_way, *due))
    incident = put_page(incident, page, sent)
    if effects and not is_again(incident, page):
        incident = changed(incident, last_sent_at=at)

    return Started(incident=incident, effects=effects, pages=(page.id,))


def _due_rules(page: Page, at: datetime) -> Iterator[int]:
    """Yield the rule whose turn it is and those that are overdue with it."""
    if page.due is None or page.due > at:
        return
    yield page.rule
    for rule in range(page.rule + 1, len(page.rules)):
        if page.started_at + page.rules[rule].delay > at:
            return
        yield rule


def give_up_at(at: datetime, *dues: datetime | None) -> datetime:
    """Return when trying again ends; what is due at once leaves the full time."""
    return min([at + RETRY_FOR, *(due for due in dues if due and due > at)])


def _key(incident: Incident, page: Page, rule: int) -> str:
    """
    Name what is sent: this method, this rule, for this person's step at its time.

    A start parts what people start again in the instant in which it was due before.
    """
    return key_of(
        incident.id,
        str(incident.start),
        page.person,
        page.rules[rule].method,
        str(rule),
        page.step_due.isoformat(),
    )


def key_of(*parts: str) -> str:
    """Make an idempotency key of what is sent."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[: 2 * KEY_BYTES]


def _without(page: Page, rule: int) -> tuple[int, ...]:
    return tuple(other for other in page.under_way if other != rule)
