"""Every file in scenarios/ is one story, from alert to end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from engine.core.events import (
    Acknowledged,
    Commented,
    CommentEdited,
    Detached,
    Escalated,
    MetadataSet,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.core.reasons import Reason
from engine.errors import KeyTakenError
from policies.durations import parse_duration
from policies.policy import Policy
from policies.steps import LENIENT
from policies.targets import target_of
from tests.support.driver import MIDNIGHT, Driver, Word, a_user

SCENARIOS = sorted(Path(__file__).parent.glob("scenarios/*.txt"))


class Block(NamedTuple):
    """One command of a transcript; a block may also be nothing but comments."""

    comments: list[str]
    lines: list[str]

    @property
    def text(self) -> str:
        """What stands below the command."""
        return "\n".join(self.lines[1:])


def blocks(transcript: str) -> list[Block]:
    """Read a transcript, without its answers."""
    found = []
    for block in transcript.strip().split("\n\n"):
        given = block.split("\n----")[0].splitlines()
        comments = [line for line in given if line.startswith("#")]
        lines = [line for line in given if not line.startswith("#")]
        found.append(Block(comments, lines))

    return found


class Scenario:
    """Understands the commands of a transcript."""

    driver: Driver

    def __init__(self, make: Callable[..., Driver] = Driver) -> None:
        self._make = make

    async def run(self, block: Block) -> str:
        """Carry out one command and say what came of it."""
        before = self._sent()
        said = await self.say(block)
        paged = [each for _, each in self._sent()[len(before) :]]
        lines = [said] if said else []
        lines += [f"paged {', '.join(paged)}"] if paged else []

        return "\n".join(lines) or "nothing"

    async def say(self, block: Block) -> str:
        """Carry out one command and say how it was answered."""
        command, *arguments = block.lines[0].split()
        match command:
            case "policy":
                self.driver = self._make(_policy(arguments))
            case "policies":
                catch_all = next(iter(arguments), None)
                self.driver = self._make(*_policies(block.text), catch_all=catch_all)
            case _:
                return await self._say(command, arguments, block.text)

        return "ok"

    def _sent(self) -> list[tuple[datetime, str]]:
        return self.driver.sent() if hasattr(self, "driver") else []

    async def _say(self, command: str, arguments: list[str], text: str) -> str:
        set_up = await self._set_up(command, arguments, text)
        if set_up is not None:
            return set_up
        told = await self._tell(command, arguments)
        if told is not None:
            return told
        try:
            return await self._command(command, arguments, text)
        except KeyTakenError:
            return "key taken"

    async def _set_up(  # noqa: C901 - one arm for each command
        self, command: str, arguments: list[str], text: str
    ) -> str | None:
        driver = self.driver
        match command, arguments:
            case "on-call", [schedule, *people]:
                known = dict(driver.directory.on_call)
                driver.change(on_call={**known, schedule: tuple(people)})
            case "user", [name, *rules]:
                user = a_user(name, [_rule(rule) for rule in rules])
                driver.change(users={**driver.directory.users, name: user})
            case "edit", []:
                edited = {policy.id: policy for policy in _policies(text)}
                driver.change(policies={**driver.directory.policies, **edited})
            case "delete", [policy]:
                left = dict(driver.directory.policies)
                del left[policy]
                driver.change(policies=left)
            case "integration", settings:
                changed = dict(setting.split("=") for setting in settings)
                known_one = driver.directory.integrations["alertmanager"]
                one = known_one.model_validate(known_one.model_dump() | changed)
                driver.change(integrations={"alertmanager": one})
            case "fail", [person, *channels]:
                driver.fail(person, *channels)
            case "recover", [person]:
                driver.recover(person)
            case "remember", [key, "as", name]:
                driver.incidents[name] = driver.incidents[key]
            case "look-ups", [state]:
                driver.rota.is_here = state == "here"
                driver.rota.is_silent = state == "lost"
                driver.rota.is_failing = state == "failing"
            case "older-resolve", [key]:
                return await driver.older_resolve(key)
            case "new-occurrence", [fingerprint]:
                driver.forget(fingerprint)
                return ""
            case _:
                return None

        return "ok"

    async def _tell(self, command: str, arguments: list[str]) -> str | None:
        driver = self.driver
        match command, arguments:
            case "timeline", [key]:
                return " ".join(await driver.timeline(key))
            case "comments", [key]:
                return "\n".join(await driver.comments(key))
            case "status", [key]:
                incident = await driver.incident(key)
                exhausted = ", exhausted" if incident.exhausted_at else ""
                return f"{incident.status}{exhausted}"
            case "sent", []:
                return ", ".join(
                    f"{_shown(at - MIDNIGHT)} {who}" for at, who in driver.sent()
                )
            case _:
                return None

    async def _command(  # noqa: C901, PLR0911, PLR0912 - one arm for each command
        self, command: str, arguments: list[str], text: str
    ) -> str:
        driver = self.driver
        match command, arguments:
            case "alert", [key, *rest]:
                return await self._alert(key, rest, fires=True)
            case "resolved-alert", [key, *rest]:
                return await self._alert(key, rest, fires=False)
            case "acknowledge-by-source", [key]:
                return await driver.acknowledge_by_source(key)
            case "backlog", words:
                return await driver.backlog([_word(word) for word in words])
            case "pass", [duration]:
                await driver.pass_time(parse_duration(duration))
                return ""
            case "ack", [key, by]:
                return await driver.command(key, Acknowledged, by=by)
            case "ack-at", [key, by, span]:
                driver.skip(parse_duration(span))
                return await driver.command(key, Acknowledged, by=by)
            case "unack", [key, by]:
                return await driver.command(key, Unacknowledged, by=by)
            case "resolve", [key, by]:
                return await driver.command(key, Resolved, by=by)
            case "reopen", [key, by]:
                return await driver.command(key, Reopened, by=by)
            case "snooze", [key, by, *span]:
                until = driver.clock.now() + parse_duration(span[0]) if span else None
                return await driver.command(key, Snoozed, by=by, until=until)
            case "unsnooze", [key, by]:
                return await driver.command(key, Unsnoozed, by=by)
            case "escalate", [key, by]:
                return await driver.command(key, Escalated, by=by)
            case "escalate", [key, by, "step", number]:
                return await driver.command(key, Escalated, by=by, step=int(number))
            case "escalate", [key, by, *targets]:
                to = tuple(target_of(target) for target in targets)
                return await driver.command(key, Escalated, by=by, targets=to)
            case "reassign", [key, by, to_whom]:
                return await driver.command(key, Reassigned, by=by, to=to_whom)
            case "attach", [child, parent]:
                return await driver.attach(child, parent)
            case "detach", [key, by]:
                return await driver.command(key, Detached, by=by)
            case "remove", [key, by]:
                return await driver.command(key, Removed, by=by)
            case "set", [key, by, name, *texts]:
                return await driver.command(
                    key, MetadataSet, by=by, key=name, texts=tuple(texts)
                )
            case "comment", [key, by]:
                return await driver.command(key, Commented, by=by, text=text)
            case "tick", [key, by]:
                [checklist] = (await driver.incident(key)).checklists
                return await driver.command(
                    key, CommentEdited, by=by, comment=checklist.id, text=text
                )
            case _:
                pytest.fail(f"unknown command: {command} {arguments}")

    async def _alert(self, key: str, rest: list[str], *, fires: bool) -> str:
        labels = dict(word.split("=") for word in rest if "=" in word)
        [fingerprint] = [word for word in rest if "=" not in word] or [key]

        return await self.driver.alert(key, fingerprint, fires=fires, labels=labels)


def _word(text: str) -> Word:
    """
    Read what a source says.

    `+key/fingerprint` is an alert that fires, `-key/…` its end, `=key/…` it again, and
    `*key` that somebody acknowledged there.
    """
    key, _, fingerprint = text[1:].partition("/")

    return Word(
        key,
        fingerprint or key,
        fires=text[0] in "+=",
        is_again=text[0] == "=",
        acknowledges=text[0] == "*",
    )


def _rule(text: str) -> tuple[str, timedelta]:
    """Read `sms:2m`."""
    channel, _, delay = text.partition(":")

    return channel, parse_duration(delay or "0s")


def _shown(duration: timedelta) -> str:
    days = f"{duration.days}d " if duration.days else ""
    minutes, seconds = divmod(duration.seconds, 60)
    text = f"{days}{minutes // 60:02}:{minutes % 60:02}"

    return f"{text}:{seconds:02}" if seconds else text


@cache
def _policies(text: str) -> list[Policy]:
    """Read policies by their ids, the first one is where incidents start."""
    written: dict[str, Any] = YAML(typ="safe", pure=True).load(text)

    return [
        Policy.model_validate({"id": name, **policy}, context=LENIENT)
        for name, policy in written.items()
    ]


def _policy(arguments: list[str]) -> Policy:
    steps: list[dict[str, object]] = []
    repeat: dict[str, object] = {}
    for argument in arguments:
        kind, _, value = argument.partition(":")
        if kind == "wait":
            steps.append({"kind": kind, "duration": value})
        elif kind == "repeat":
            count, _, delay = value.partition(":")
            repeat = {"count": int(count), "delay": delay or "0s"}
        else:
            steps.append({"kind": kind, "targets": value.split(",")})

    return Policy.model_validate({"id": "test", "steps": steps, "repeat": repeat})


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_scenario(path: Path, pytestconfig: pytest.Config) -> None:
    """The story unfolds as its transcript says."""
    scenario, actual = Scenario(), []
    for block in blocks(path.read_text()):
        told = [*block.comments, *block.lines]
        if block.lines:
            told += ["----", await scenario.run(block)]
        actual.append("\n".join(told))
    text = "\n\n".join(actual) + "\n"
    if pytestconfig.getoption("--rewrite"):
        path.write_text(text)

    assert path.read_text() == text


def test_every_reason_is_told() -> None:
    """Every reason there is stands in some story."""
    told = " ".join(path.read_text() for path in SCENARIOS).split()

    assert [] == sorted(set(Reason) - set(told) - NEVER_TOLD)


# Those that change and say nothing; those that need an answer that never comes; and
# maintenance, which only a person can open.
NEVER_TOLD = {reason for reason in Reason if not reason.is_recorded} | {
    Reason.TURN_TIMED_OUT,
    Reason.DELIVERY_UNKNOWN,
    Reason.IS_MAINTENANCE,
}
