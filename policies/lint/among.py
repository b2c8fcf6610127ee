"""What is odd about a policy among others: nothing leads to it, it tells nobody."""

from collections.abc import Iterator, Mapping

from policies.lint.course import Policies, led_to, outcome_of, runs
from policies.lint.finding import Code, Finding
from policies.lint.surroundings import Surroundings
from policies.policy import Policy
from policies.steps import NotifyStep, RemoveStep, ResolveStep, WebhookStep
from policies.targets import MetadataTarget

# These are a reason for a policy that pages nobody.
DOES = (ResolveStep, RemoveStep, WebhookStep)


def check_among(policies: Policies, around: Surroundings) -> Iterator[Finding]:
    """Find policies that nothing leads to, and those that tell nobody."""
    for policy in policies.values():
        if not _tells(policy, policies):
            text = (
                "can page nobody: it ends quietly, without the catch-all policy; add a "
                "notify step, or a route without policy if alerts are only collected"
            )
            yield Finding(
                code=Code.PAGES_NOBODY, policy=policy.id, path="steps", text=text
            )
    yield from _unnamed(policies, around)


def teams_of(
    policies: Policies, around: Surroundings
) -> Mapping[str, frozenset[str | None]]:
    """Return the teams whose incidents come to each policy."""
    starts = dict(around.starts)
    if around.catch_all is not None:
        everywhere = frozenset[str | None]().union(*starts.values())
        own = starts.get(around.catch_all, frozenset())
        starts[around.catch_all] = own | everywhere
    teams: dict[str, frozenset[str | None]] = {}
    for start, here in starts.items():
        for name in led_to([start], policies):
            teams[name] = teams.get(name, frozenset()) | here

    return teams


def _tells(policy: Policy, policies: Policies) -> bool:
    """Tell whether a policy, or what it falls back to, does more than wait."""
    passed: set[str] = set()
    one: Policy | None = policy
    while one is not None and one.id not in passed:
        passed.add(one.id)
        does = any(isinstance(step, DOES) for _, step in runs(one, policies))
        if one.can_page or does:
            return True
        one = policies.get(one.fallback) if one.fallback is not None else None

    return False


def _unnamed(policies: Policies, around: Surroundings) -> Iterator[Finding]:
    if not around.starts or any(map(_asks_metadata, policies.values())):
        return
    first = [*around.starts, *([around.catch_all] if around.catch_all else [])]
    named = led_to(first, policies)
    for name in policies:
        if name not in named:
            text = (
                "nothing leads here, neither a route nor the catch-all nor a policy "
                "that they lead to: name it somewhere, or remove it"
            )
            yield Finding(code=Code.UNNAMED_POLICY, policy=name, path="", text=text)


def _asks_metadata(policy: Policy) -> bool:
    """Tell whether metadata may name any policy."""
    for step in policy.steps:
        outcome = outcome_of(step)
        if outcome and outcome.policy_metadata_key is not None:
            return True
        targets = step.targets if isinstance(step, NotifyStep) else ()
        if any(isinstance(target, MetadataTarget) for target in targets):
            return True

    return False
