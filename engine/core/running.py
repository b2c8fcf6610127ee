"""What each kind of step does when it runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.core.asking import LOOK_UP_PATIENCE, ask, ask_who, looked_up, named
from engine.core.changing import changed
from engine.core.checklists import post
from engine.core.effects import CallWebhook, Effect, NamePolicy
from engine.core.ending import end
from engine.core.incident import Decision, Incident, Status, Walk
from engine.core.nobody import PUBLISHED, missed
from engine.core.page import give_up_at, key_of
from engine.core.reasons import Reason
from engine.core.walk import (
    Begun,
    advance,
    end_walk,
    enter_policy,
    keep_walk,
    move_walk,
    ref_of,
    repeat,
    should_have_run,
    start_walk,
    walk_of,
)
from policies.localtime import local, next_clock_time, zone_of
from policies.steps import (
    NO_TIME,
    AnyStep,
    InstructionsStep,
    MetadataBranchStep,
    NotifyStep,
    Outcome,
    RemoveStep,
    RepeatStep,
    ResolveStep,
    TimeBranchStep,
    TimeGateStep,
    UnknownStep,
    Verb,
    VolumeGateStep,
    WaitStep,
    WebhookStep,
)
from policies.targets import PolicyTarget
from policies.windows import Window

# What is sent and is no page has a name that begins like this.
WEBHOOK_PAGE, TELL_PAGE = "webhook", "tell"
SECOND = timedelta(seconds=1)


def run_step(  # noqa: C901, PLR0911 - one arm for each kind
    incident: Incident, walk: Walk, step: AnyStep, at: datetime
) -> Decision:
    """Run the step that a walk has come to."""
    match step:
        case WaitStep():
            reason = (
                Reason.WAIT_OVER if step.duration is not None else Reason.NOT_CONFIGURED
            )
            return _passed(incident, walk, at, reason)
        case NotifyStep():
            return _notify(incident, walk, step, at)
        case TimeBranchStep():
            return _branch_on_time(incident, walk, step, at)
        case MetadataBranchStep():
            return _branch_on_metadata(incident, walk, step, at)
        case TimeGateStep():
            return _hold_for_time(incident, walk, step, at)
        case VolumeGateStep():
            return _hold_for_volume(incident, walk, step, at)
        case InstructionsStep():
            return _instruct(incident, walk, step, at)
        case WebhookStep():
            return _call_webhook(incident, walk, step, at)
        case RepeatStep():
            return _repeat(incident, walk, step, at)
        case ResolveStep():
            return end(incident, Status.RESOLVED, Reason.RESOLVED_BY_POLICY, None, at)
        case RemoveStep():
            return end(incident, Status.REMOVED, Reason.REMOVED_BY_POLICY, None, at)
        case UnknownStep():
            return _passed(incident, walk, at, Reason.UNKNOWN_STEP)


def run_fallback(incident: Incident, walk: Walk, at: datetime) -> Decision:
    """Enter the policy that follows the last round."""
    policy = incident.snapshot.policies[walk.policy]
    assert policy.fallback is not None
    begun = enter_policy(incident, walk, policy.fallback, at, as_fallback=True)
    if begun.reason is not Reason.BRANCH_TAKEN:
        ended = end_walk(incident, walk)
        return Decision(incident=ended, reason=begun.reason)

    return Decision(incident=begun.incident, reason=begun.reason)


def take_outcome(
    incident: Incident, walk: Walk, outcome: Outcome, at: datetime
) -> Decision:
    """Do what follows when a branch matches."""
    match outcome.verb:
        case Verb.RESOLVE:
            return end(incident, Status.RESOLVED, Reason.RESOLVED_BY_POLICY, None, at)
        case Verb.REMOVE:
            return end(incident, Status.REMOVED, Reason.REMOVED_BY_POLICY, None, at)
        case Verb.STOP:
            stopped = end_walk(incident, walk, quietly=True)
            return Decision(incident=stopped, reason=Reason.BRANCH_STOPPED)
        case Verb.ESCALATE_TO if outcome.policy is not None:
            return branch_to(incident, walk, outcome.policy, at)
        case Verb.ESCALATE_TO:
            assert outcome.policy_metadata_key is not None
            return _ask_which(incident, walk, outcome.policy_metadata_key, at)


def branch_to(
    incident: Incident, walk: Walk, policy: str | None, ran_at: datetime
) -> Decision:
    """Let a policy take over the walk; one that is missing is passed, and recorded."""
    begun = (
        enter_policy(incident, walk, policy, ran_at, as_fallback=False)
        if policy is not None
        else Begun(incident=incident, reason=Reason.MISSING)
    )
    if begun.reason is not Reason.BRANCH_TAKEN:
        return _passed(incident, walk, ran_at, begun.reason)

    return Decision(incident=begun.incident, reason=begun.reason)


def _passed(
    incident: Incident, walk: Walk, ran_at: datetime, reason: Reason, *effects: Effect
) -> Decision:
    return Decision(
        incident=advance(incident, walk, ran_at), effects=effects, reason=reason
    )


def _notify(incident: Incident, walk: Walk, step: NotifyStep, at: datetime) -> Decision:
    started = _start_policies(incident, walk, step, at)
    if looked_up(incident, step.targets):
        asked, question = ask_who(started.incident, walk, step, at)
        return Decision(incident=asked, effects=(question,), reason=Reason.LOOKING_UP)
    if step.targets and started.reason is not Reason.MISSING:
        return _passed(started.incident, walk, at, started.reason)
    # Nothing to notify: left open, or deleted meanwhile. Nobody is reached.
    reason = started.reason if step.targets else Reason.NOT_CONFIGURED
    noted = missed(incident, walk, ref_of(walk))
    known = move_walk(keep_walk(incident, walk, noted), noted)
    moved = walk_of(known, walk.id)
    assert moved is not None

    return _passed(known, moved, at, reason, *PUBLISHED)


def _start_policies(
    incident: Incident, walk: Walk, step: NotifyStep, at: datetime
) -> Begun:
    """Start a walk for each policy among the targets; tell what became of the last."""
    begun = Begun(incident=incident, reason=Reason.POLICY_STARTED)
    for target in step.targets:
        if isinstance(target, PolicyTarget):
            begun = start_walk(
                begun.incident, target.id, at, walk.entered + 1, walk.late_by
            )

    return begun


def _branch_on_time(
    incident: Incident, walk: Walk, step: TimeBranchStep, at: datetime
) -> Decision:
    holds_until = step.window.holds_until(at)
    if step.window.contains(at):
        decision = take_outcome(incident, walk, step.outcome, at)
    else:
        decision = _passed(incident, walk, at, Reason.BRANCH_PASSED)

    return changed(decision, holds_until=holds_until)


def _branch_on_metadata(
    incident: Incident, walk: Walk, step: MetadataBranchStep, at: datetime
) -> Decision:
    texts = incident.metadata.get(step.key, ())
    references = incident.references.get(step.key, ())
    if any(value.matches(texts, references) for value in step.values):
        return take_outcome(incident, walk, step.outcome, at)

    return _passed(incident, walk, at, Reason.BRANCH_PASSED)


def _ask_which(incident: Incident, walk: Walk, key: str, at: datetime) -> Decision:
    question = NamePolicy(
        walk=walk.id,
        generation=walk.generation + 1,
        named=named(incident, key),
        at=at,
        deadline=at + LOOK_UP_PATIENCE,
    )
    asked = ask(incident, walk, at, question.deadline)

    return Decision(incident=asked, effects=(question,), reason=Reason.LOOKING_UP)


def _hold_for_time(
    incident: Incident, walk: Walk, step: TimeGateStep, at: datetime
) -> Decision:
    if step.window is None:
        return _passed(incident, walk, at, Reason.NOT_CONFIGURED)
    opens_at = _opens_at(step.window, at, is_instant=step.is_instant)
    if opens_at is None or walk.is_waited:
        passed = _passed(incident, walk, at, Reason.GATE_PASSED)
        holds_until = None if walk.is_waited else step.window.holds_until(at)
        return changed(passed, holds_until=holds_until)
    holding = move_walk(incident, walk, due=opens_at, is_waited=True, late_by=NO_TIME)

    return Decision(incident=holding, reason=Reason.GATE_CLOSED, holds_until=opens_at)


def _opens_at(window: Window, at: datetime, *, is_instant: bool) -> datetime | None:
    """Return when a gate opens; None if it is open, or never opens."""
    if is_instant and window.start == window.end:
        zone = zone_of(window.zone)
        shown = local(at, zone).time().replace(microsecond=0)
        if shown == window.start:
            return None
        return next_clock_time(at, window.start, zone)

    return None if window.contains(at) else window.opens_after(at)


def _hold_for_volume(
    incident: Incident, walk: Walk, step: VolumeGateStep, at: datetime
) -> Decision:
    if step.notices is None or step.within is None:
        return _passed(incident, walk, at, Reason.NOT_CONFIGURED)
    if walk.is_waited or _has_volume(incident, step.notices, step.within):
        return _passed(incident, walk, at, Reason.GATE_PASSED)
    paused = move_walk(incident, walk, due=None, late_by=NO_TIME)

    return Decision(incident=paused, reason=Reason.PAUSED)


def _has_volume(incident: Incident, notices: int, within: timedelta) -> bool:
    """Tell whether strictly more notices came, in this time up to the last of them."""
    times = incident.notices

    return len(times) > notices and times[-1] - times[-1 - notices] <= within


def _instruct(
    incident: Incident, walk: Walk, step: InstructionsStep, at: datetime
) -> Decision:
    posted, effects = post(incident, step, name_of(incident, walk), at)
    reason = Reason.INSTRUCTIONS_POSTED if effects else Reason.INSTRUCTIONS_REPEATED

    return _passed(posted, walk, at, reason, *effects)


def _call_webhook(
    incident: Incident, walk: Walk, step: WebhookStep, at: datetime
) -> Decision:
    if step.webhook is None:
        return _passed(incident, walk, at, Reason.NOT_CONFIGURED)
    name = name_of(incident, walk)
    call = CallWebhook(
        page=f"{WEBHOOK_PAGE}.{name}",
        webhook=step.webhook,
        key=_key(incident, walk, step.webhook, at),
        due=at,
        give_up_at=give_up_at(at),
    )

    return _passed(incident, walk, at, Reason.WEBHOOK_CALLED, call)


def _key(incident: Incident, walk: Walk, webhook: str, at: datetime) -> str:
    """Name a call as pages are: its generation rises when a step before asks again."""
    return key_of(
        incident.id,
        str(incident.start),
        webhook,
        walk.policy,
        str(walk.step),
        should_have_run(walk, at).isoformat(),
    )


def _repeat(incident: Incident, walk: Walk, step: RepeatStep, at: datetime) -> Decision:
    counted: Mapping[str, int] = walk.repeats
    if counted.get(str(walk.step), 0) < step.times:
        return Decision(incident=repeat(incident, walk, at), reason=Reason.REPEATED)

    return _passed(incident, walk, at, Reason.REPEATS_USED_UP)


def name_of(incident: Incident, walk: Walk) -> str:
    """
    Name a step as it runs now: the same after a crash, never twice.

    Its generation parts what walk, step, round and start do not: a walk enters another
    policy in the same round, and somebody may send it back (docs/adr/0009).
    """
    return f"{walk.id}.{walk.step}.{walk.round}.{incident.start}.{walk.generation}"
