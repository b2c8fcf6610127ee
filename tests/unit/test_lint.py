"""Lint: each finding by a policy that has it, and by one close to it that has not."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engine.core.walk import ENTERED_MAX, ROUND_LASTS_AT_LEAST
from policies.lint import Code, Finding, Person, Room, Surroundings, lint
from policies.policy import Policy
from policies.steps import LENIENT

POLICIES = Path(__file__).parents[2] / "docs" / "policies.md"
PHONES = frozenset({"sms"})
AROUND = Surroundings(
    people={
        "alice": Person(channels=PHONES, urgencies=frozenset({"high", "low"})),
        "bob": Person(channels=PHONES, urgencies=frozenset({"high", "low"})),
        "carol": Person(channels=frozenset({"chat"}), urgencies=frozenset({"low"})),
        "dave": Person(),
        "gone": Person(is_active=False),
    },
    teams={"ops": ("alice", "bob"), "empty": (), "left": ("gone",), "old": ("dave",)},
    team_schedules={"ops": "primary"},
    groups={"dba": ("alice", "carol"), "none": (), "quiet": ("carol",)},
    schedules={
        "primary": ("alice",),
        "mixed": ("alice", "carol"),
        "unlisted": ("alice", "dave"),
        "nobody": (),
    },
    rooms={
        "room": Room(kind="chat"),
        "dark": Room(kind="pager", is_reachable=False),
    },
    urgencies={"high": True, "low": False},
    channels=frozenset({"sms", "chat"}),
    starts={"one": frozenset({"ops"})},
)
PAGE = {"kind": "notify", "targets": ["user:alice"]}
NEXT = {"kind": "notify", "targets": ["user:bob"], "wait_before": "5m"}
WAIT = {"kind": "wait", "duration": "5m"}
ALWAYS: dict[str, str] = {}
NIGHT = {"from": "22:00", "to": "06:00"}
DAY = {"from": "06:00", "to": "22:00"}
STOP = {"verb": "stop"}


def branch(to: str | None, window: dict[str, str]) -> dict[str, Any]:
    """Return a time branch to a policy, or one that stops."""
    outcome = {"verb": "escalate_to", "policy": to} if to else STOP

    return {"kind": "time_branch", "window": window, "outcome": outcome}


def on_env(*values: str, to: str | None = None) -> dict[str, Any]:
    """Return a branch on the environment to a policy, or one that stops."""
    outcome = {"verb": "escalate_to", "policy": to} if to else STOP

    return {
        "kind": "metadata_branch",
        "key": "env",
        "values": values,
        "outcome": outcome,
    }


def gate(notices: int = 5) -> dict[str, Any]:
    """Return a volume gate."""
    return {"kind": "volume_gate", "notices": notices, "within": "5m"}


def to(*targets: str, **more: Any) -> dict[str, Any]:
    """Return a policy of one step that notifies these."""
    return {"steps": [{"kind": "notify", "targets": targets, **more}]}


def found(
    around: Surroundings = AROUND, **policies: dict[str, Any]
) -> list[tuple[str, str, str]]:
    """Return codes, policies and paths of what is found."""
    return [(one.code, one.policy, one.path) for one in findings(around, **policies)]


def findings(
    around: Surroundings = AROUND, **policies: dict[str, Any]
) -> list[Finding]:
    """Return what is found in policies; `one` is named by a route."""
    known = {
        name: Policy.model_validate({"id": name, **fields}, context=LENIENT)
        for name, fields in policies.items()
    }

    return lint(known, around)


def of(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a policy of these steps."""
    return {"steps": list(steps), **more}


REPEAT = {"kind": "repeat", "times": 2}
ENDS = {"kind": "resolve"}
# Code, where it is found in policy `one`, a policy that has it, and one that has not.
PAIRS: list[tuple[Code, str, dict[str, Any], dict[str, Any]]] = [
    (Code.UNREACHABLE_STEP, "steps[2]", of(PAGE, ENDS, NEXT), of(PAGE, NEXT, ENDS)),
    (
        Code.UNREACHABLE_STEP,
        "steps[1]",
        of(branch(None, ALWAYS), PAGE),
        of(branch(None, NIGHT), PAGE),
    ),
    (
        Code.UNREACHABLE_STEP,
        "steps[2]",
        of(PAGE, {"kind": "remove"}, NEXT),
        # A repeat step falls through when it is used up.
        of(PAGE, WAIT, REPEAT, NEXT),
    ),
    (
        Code.UNREACHABLE_END,
        "repeat",
        of(PAGE, WAIT, ENDS, repeat={"count": 1}),
        of(PAGE, WAIT, PAGE, repeat={"count": 1}),
    ),
    (
        Code.BRANCH_NEVER_TAKEN,
        "steps[1]",
        of(on_env("test", "dev"), on_env("dev"), PAGE),
        of(on_env("test"), on_env("dev"), PAGE),
    ),
    (
        Code.BRANCH_NEVER_TAKEN,
        "steps[1]",
        of(branch(None, NIGHT), branch(None, NIGHT), PAGE),
        # After a wait it may be another time.
        of(branch(None, NIGHT), branch(None, NIGHT) | {"wait_before": "1h"}, PAGE),
    ),
    (
        Code.GATE_ALWAYS_OPEN,
        "steps[0].window",
        of({"kind": "time_gate", "window": ALWAYS}, PAGE),
        of({"kind": "time_gate", "window": DAY}, PAGE),
    ),
    (
        Code.ENTERS_ITSELF,
        "steps[1].outcome.policy",
        of(PAGE, branch("one", NIGHT), NEXT),
        of(PAGE, branch(None, NIGHT), NEXT),
    ),
    (
        Code.ENTERS_ITSELF,
        "fallback",
        of(PAGE, fallback="one"),
        of(PAGE),
    ),
    (
        Code.STARTS_ITSELF,
        "steps[0].targets[1]",
        to("user:alice", "policy:one"),
        to("user:alice"),
    ),
    (
        Code.ROUND_WITHOUT_WAIT,
        "repeat",
        of(PAGE, repeat={"count": 3}),
        of(PAGE, repeat={"count": 3, "delay": "10m"}),
    ),
    (
        Code.ROUND_WITHOUT_WAIT,
        "repeat",
        of(gate(0), PAGE, repeat={"count": 3}),
        of(gate(0), PAGE, WAIT, repeat={"count": 3}),
    ),
    (
        Code.ROUND_WITHOUT_WAIT,
        "steps[1]",
        of(PAGE, REPEAT, NEXT),
        of(PAGE, REPEAT | {"wait_before": "5m"}, NEXT),
    ),
    (Code.NOTHING_AFTER_WAIT, "steps[1]", of(PAGE, WAIT), of(PAGE, WAIT, NEXT)),
    (
        Code.NOTHING_AFTER_WAIT,
        "steps[1]",
        of(PAGE, gate()),
        of(PAGE, gate(), fallback="gone"),
    ),
    (
        Code.NO_TIME_TO_ANSWER,
        "steps[1]",
        of(PAGE, NEXT | {"wait_before": "10s"}),
        of(PAGE, NEXT | {"wait_before": "30s"}),
    ),
    (
        Code.NO_TIME_TO_ANSWER,
        "steps[1]",
        of(PAGE, PAGE),
        # By other means at the same moment is what somebody may want.
        of(PAGE, PAGE | {"channels": ["sms"]}),
    ),
    (
        Code.NO_TIME_TO_ANSWER,
        "steps[1]",
        of(PAGE, PAGE),
        of(PAGE, PAGE | {"wait_until": {"time": "07:45"}}),
    ),
    (
        Code.BRANCH_NEVER_TAKEN,
        "steps[2]",
        of(on_env("a"), {"kind": "instructions", "text": "look"}, on_env("a"), PAGE),
        # While a gate holds, the metadata may become another.
        of(on_env("a"), {"kind": "time_gate", "window": DAY}, on_env("a"), PAGE),
    ),
    (
        Code.LATE_FIRST_PAGE,
        "steps[1]",
        of(WAIT, PAGE | {"wait_before": "11m"}),
        of(WAIT, PAGE | {"wait_before": "10m"}),
    ),
    (
        Code.LATE_FIRST_PAGE,
        "steps[1]",
        of({"kind": "wait", "duration": "1h"}, PAGE),
        of({"kind": "wait", "duration": "1h"}, PAGE | {"urgency": "low"}),
    ),
    (
        Code.LATE_FIRST_PAGE,
        "steps[0]",
        of(PAGE | {"wait_before": "1h"}),
        of({"kind": "time_gate", "window": DAY}, PAGE | {"wait_before": "1h"}),
    ),
    (Code.VOLUME_GATE_FIRST, "steps[0]", of(gate(), PAGE), of(PAGE, gate(), NEXT)),
    (Code.VOLUME_GATE_FIRST, "steps[0]", of(gate(1), PAGE), of(gate(0), PAGE)),
    (
        Code.SINGLE_TURN,
        "steps[0].each",
        to("team:ops", each="next_each_time"),
        to("user:alice", "user:bob", each="next_each_time"),
    ),
    (
        Code.NOTIFIED_TWICE,
        "steps[0].targets[2]",
        to("user:alice", "user:bob", "user:alice"),
        to("user:alice", "team:ops"),
    ),
    (
        Code.NOBODY_BEHIND_TARGET,
        "steps[0].targets[1]",
        to("user:alice", "team:empty"),
        to("user:alice", "team:ops"),
    ),
    (
        Code.NOBODY_BEHIND_TARGET,
        "steps[0].targets[0]",
        to("user_group:none"),
        to("user_group:dba"),
    ),
    (
        Code.NOBODY_BEHIND_TARGET,
        "steps[0].targets[0]",
        to("schedule:nobody"),
        to("schedule:primary"),
    ),
    (Code.NOBODY_BEHIND_TARGET, "steps[0].targets[0]", to("team:left"), to("team")),
    (Code.NOBODY_BEHIND_TARGET, "steps[0].targets[0]", to("user:gone"), to("schedule")),
    (Code.NOBODY_BEHIND_TARGET, "steps[0].targets", to(), to("metadata:owner")),
    (
        Code.TARGET_UNREACHABLE,
        "steps[0].targets[0]",
        to("user:carol"),
        to("user:carol", urgency="low"),
    ),
    (
        Code.TARGET_UNREACHABLE,
        "steps[0].targets[0]",
        to("user:alice", channels=["chat"]),
        to("user:alice", channels=["sms"]),
    ),
    (
        Code.TARGET_UNREACHABLE,
        "steps[0].targets[0]",
        to("user_group:quiet"),
        # One of them can be reached.
        to("user_group:dba"),
    ),
    (
        Code.TARGET_UNREACHABLE,
        "steps[0].targets[0]",
        to("schedule:mixed"),
        # Of dave, who can be reached in no way, it is said once, and not here.
        to("schedule:unlisted"),
    ),
    (Code.TARGET_UNREACHABLE, "steps[0].targets[0]", to("team:old"), to("everybody")),
    (
        Code.TARGET_UNREACHABLE,
        "steps[0].targets[0]",
        to("channels:pager"),
        to("channels:chat", "channel:room"),
    ),
    (
        Code.TARGET_UNREACHABLE,
        "steps[1].webhook",
        of(PAGE, {"kind": "webhook", "webhook": "dark"}),
        of(PAGE, {"kind": "webhook", "webhook": "room"}),
    ),
    (
        Code.CHANNEL_NOT_CONFIGURED,
        "steps[0].channels[1]",
        to("user:alice", channels=["sms", "fax"]),
        to("user:alice", channels=["sms", "chat"]),
    ),
    (
        Code.PAGES_NOBODY,
        "steps",
        of({"kind": "instructions", "text": "- [ ] look"}),
        of({"kind": "instructions", "text": "- [ ] look"}, ENDS),
    ),
    (Code.PAGES_NOBODY, "steps", of(), of({"kind": "webhook", "webhook": "room"})),
]


@pytest.mark.parametrize(("code", "path", "policy", "other"), PAIRS)
def test_pair(
    code: Code, path: str, policy: dict[str, Any], other: dict[str, Any]
) -> None:
    """A policy has one finding, at its field; one that is nearly the same has none."""
    assert [(code, "one", path)] == found(one=policy)
    assert [] == found(one=other)


def test_every_code() -> None:
    """There is an example of every finding here."""
    among_others = {Code.POLICY_LOOP, Code.UNNAMED_POLICY}

    assert set(Code) == among_others | {code for code, *_ in PAIRS}


def test_fallback_pages() -> None:
    """A policy whose fallback pages can page."""
    quiet = of(WAIT, fallback="two")

    assert [] == found(one=quiet, two=of(PAGE))
    assert [
        (Code.PAGES_NOBODY, "one", "steps"),
        (Code.PAGES_NOBODY, "two", "steps"),
    ] == (found(one=quiet, two=of()))


def test_never_back() -> None:
    """What comes after a branch that is always taken runs only if the branch fails."""
    always = branch("two", ALWAYS)

    assert [(Code.UNREACHABLE_STEP, "one", "steps[1]")] == (
        found(one=of(always, PAGE), two=of(PAGE))
    )
    # A policy that is not there is passed, and so is one that was entered too often.
    assert [] == found(one=of(always, PAGE))
    assert [] == found(one=of(WAIT, always, PAGE), two=of(WAIT, PAGE, fallback="one"))


@pytest.mark.parametrize(
    ("one", "two", "path"),
    [
        (
            of(PAGE, fallback="two"),
            of(NEXT | {"wait_before": "0s"}, fallback="one"),
            "fallback",
        ),
        (
            of(branch("two", NIGHT), PAGE),
            of(branch("one", NIGHT), PAGE),
            "steps[0].outcome.policy",
        ),
        (
            of(branch("two", NIGHT), PAGE),
            of(on_env("a", to="one"), PAGE),
            "steps[0].outcome.policy",
        ),
        (
            of(on_env("a", "b", to="two"), PAGE),
            of(on_env("b", to="one"), PAGE),
            "steps[0].outcome.policy",
        ),
        # Windows that overlap for an hour.
        (
            of(branch("two", NIGHT), PAGE),
            of(branch("one", {"from": "21:00", "to": "23:00"}), PAGE),
            "steps[0].outcome.policy",
        ),
    ],
)
def test_loop(one: dict[str, Any], two: dict[str, Any], path: str) -> None:
    """Policies that lead to each other at once go round; it is told once."""
    assert [(Code.POLICY_LOOP, "one", path)] == found(one=one, two=two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        # A wait, whichever of them has it.
        (of(PAGE, fallback="two"), of(NEXT, fallback="one")),
        (
            of(PAGE, fallback="two", repeat={"count": 0, "delay": "5m"}),
            of(PAGE, fallback="one"),
        ),
        (of(WAIT, branch("two", NIGHT), PAGE), of(branch("one", NIGHT), PAGE)),
        # By day and by night; it is never both.
        (of(branch("two", NIGHT), PAGE), of(branch("one", DAY), PAGE)),
        # By what the alert says.
        (of(on_env("a", to="two"), PAGE), of(on_env("b", to="one"), PAGE)),
        # What leads here is stopped before it leads back.
        (of(on_env("a", to="two"), PAGE), of(on_env("a"), PAGE, fallback="one")),
        (
            of(branch("two", NIGHT), PAGE),
            of(branch(None, NIGHT), on_env("a", to="one"), PAGE),
        ),
        # There is an end.
        (of(PAGE, fallback="two"), of(PAGE)),
    ],
)
def test_no_loop(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Policies that lead to each other after a while, or never both, are no loop."""
    assert [] == found(one=one, two=two)


def test_loop_of_three() -> None:
    """A loop may have more than two policies, and begin with another one."""
    [told] = findings(
        one=of(PAGE, fallback="two"),
        two=of(PAGE, fallback="three"),
        three=of(PAGE, fallback="two"),
    )

    assert (Code.POLICY_LOOP, "two", "fallback") == (told.code, told.policy, told.path)
    assert "two -> three -> two" in told.text


def test_many_ways() -> None:
    """Lint ends in time, however many ways lead round."""
    names = [f"p{number}" for number in range(15)]
    policies = {
        name: of(
            *(on_env(f"{name}{other}", to=other) for other in names if other != name),
            PAGE,
        )
        for name in names
    }

    assert [] == found(Surroundings(urgencies={"high": True}), **policies)


def test_unnamed() -> None:
    """A policy to which nothing leads is told, and what only it leads to as well."""
    told = found(
        one=of(on_env("a", to="two"), PAGE, fallback="three"),
        two=to("user:alice", "policy:four"),
        three=of(PAGE),
        four=of(PAGE),
        five=of(PAGE, fallback="six"),
        six=of(PAGE),
    )

    assert [
        (Code.UNNAMED_POLICY, "five", ""),
        (Code.UNNAMED_POLICY, "six", ""),
    ] == told


@pytest.mark.parametrize(
    ("around", "one"),
    [
        # Whatever the metadata says may be its name.
        (AROUND, to("metadata:owner")),
        (
            AROUND,
            of(
                {
                    "kind": "metadata_branch",
                    "key": "env",
                    "values": ["a"],
                    "outcome": {"verb": "escalate_to", "policy_metadata_key": "p"},
                },
                PAGE,
            ),
        ),
        # Without any route nobody knows yet.
        (Surroundings(urgencies={"high": True}), of(PAGE)),
        (Surroundings(starts=AROUND.starts, catch_all="two"), of(PAGE)),
    ],
)
def test_may_be_named(around: Surroundings, one: dict[str, Any]) -> None:
    """A policy that something may lead to is not told."""
    codes = [code for code, *_ in found(around, one=one, two=of(PAGE))]

    assert Code.UNNAMED_POLICY not in codes


def test_catch_all_follows() -> None:
    """A wait at the end keeps the catch-all policy back, so it is there for something."""
    around = Surroundings(people=AROUND.people, catch_all="two", starts=AROUND.starts)

    assert [] == found(around, one=of(PAGE, WAIT), two=of(PAGE))


@pytest.mark.parametrize("team", [None, "old"])
def test_default_schedule(team: str | None) -> None:
    """A team whose incidents come here needs a default schedule, if that is paged."""
    around = Surroundings(
        people=AROUND.people,
        schedules=AROUND.schedules,
        teams=AROUND.teams,
        team_schedules=AROUND.team_schedules,
        urgencies=AROUND.urgencies,
        starts={"one": frozenset({"ops", team})},
    )
    [told] = findings(around, one=of(PAGE, fallback="two"), two=to("schedule"))

    assert (Code.NOBODY_BEHIND_TARGET, "two") == (told.code, told.policy)
    assert "default schedule" in told.text


def test_default_schedule_of_catch_all() -> None:
    """To the catch-all policy come the incidents of every team."""
    around = replace(AROUND, starts={"one": frozenset({"old"})}, catch_all="two")

    assert [(Code.NOBODY_BEHIND_TARGET, "two", "steps[0].targets[0]")] == found(
        around, one=of(PAGE), two=to("schedule")
    )


def test_schedules_elsewhere() -> None:
    """Where another service knows who is on call, nothing is said of it."""
    around = Surroundings(
        people=AROUND.people,
        team_schedules=AROUND.team_schedules,
        urgencies=AROUND.urgencies,
        starts=AROUND.starts,
    )

    assert [] == found(around, one=to("schedule:nobody", "schedule", "layer:a/b"))


def test_late_only_first() -> None:
    """A policy that only others lead to may wait as long as it likes."""
    late = of({"kind": "wait", "duration": "1h"}, PAGE)

    assert [] == found(one=of(PAGE, fallback="two"), two=late)


def test_numbers_of_the_engine() -> None:
    """What the texts say of the engine's bounds is so."""
    [entered] = findings(one=of(PAGE, fallback="one"))
    [hasty] = findings(one=of(PAGE, repeat={"count": 1}))

    assert f"{ENTERED_MAX} times at most" in entered.text
    assert f"every {ROUND_LASTS_AT_LEAST.seconds} s" in hasty.text


@pytest.mark.parametrize(
    "example",
    re.findall(r"```yaml\n(.*?)```", POLICIES.read_text(encoding="utf-8"), re.DOTALL),
)
def test_documented(example: str) -> None:
    """What the documentation shows has no findings."""
    written = YAML(typ="safe", pure=True).load(example)
    others = {"night": of(PAGE), "managers": of(PAGE)}
    known = {"primary": ("alice",), "secondary": ("bob",)}
    around = replace(
        AROUND,
        schedules=known,
        rooms={"war-room": Room(kind="chat")},
        starts={written["id"]: frozenset({"ops"})},
    )

    assert [] == found(around, **{written["id"]: written}, **others)


def test_order() -> None:
    """Findings come in the order of the policies, the policy first, then its steps."""
    steps = [PAGE, *([ENDS] * 11), to("user:alice", "user:alice")["steps"][0]]
    policy = of(to("user:bob", "user:bob")["steps"][0], WAIT, *steps)

    assert [
        (Code.NOTIFIED_TWICE, "one", "steps[0].targets[1]"),
        (Code.UNREACHABLE_STEP, "one", "steps[4]"),
        (Code.UNNAMED_POLICY, "two", ""),
        (Code.ROUND_WITHOUT_WAIT, "two", "repeat"),
    ] == found(one=policy, two=of(PAGE, repeat={"count": 1}))
