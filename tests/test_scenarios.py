"""Every file in scenarios/ is one story, from alert to end."""

from pathlib import Path

import pytest

from policies.durations import parse_duration
from policies.policy import Policy
from tests.support.driver import Driver

SCENARIOS = sorted(Path(__file__).parent.glob("scenarios/*.txt"))


class Scenario:
    """Understands the commands of a transcript."""

    driver: Driver

    async def run(self, command: str, arguments: list[str]) -> str:
        """Carry out one command and say what came of it."""
        if command == "policy":
            self.driver = Driver(_policy(arguments))
            return "ok"
        before = len(self.driver.console.sent)
        said = await self._say(command, arguments)
        paged = [each.person for each in self.driver.console.sent[before:]]
        lines = [said] if said else []
        lines += [f"paged {', '.join(paged)}"] if paged else []

        return "\n".join(lines) or "nothing"

    async def _say(  # noqa: C901 - one arm for each command
        self, command: str, arguments: list[str]
    ) -> str:
        driver = self.driver
        match command, arguments:
            case "alert", [key, *rest]:
                return await driver.alert(key, rest[0] if rest else key, fires=True)
            case "resolved-alert", [key, *rest]:
                return await driver.alert(key, rest[0] if rest else key, fires=False)
            case "backlog", notices:
                return await driver.backlog([_notice(notice) for notice in notices])
            case "new-occurrence", [fingerprint]:
                driver.forget(fingerprint)
                return ""
            case "ack", [key, by]:
                return await driver.acknowledge(key, by)
            case "resolve", [key, by]:
                return await driver.resolve(key, by)
            case "fail", [person]:
                driver.fail(person)
                return "ok"
            case "pass", [duration]:
                await driver.pass_time(parse_duration(duration))
                return ""
            case "timeline", [key]:
                return " ".join(await driver.timeline(key))
            case _:
                pytest.fail(f"unknown command: {command} {arguments}")


def _notice(text: str) -> tuple[str, str, bool]:
    """Read `+key/fingerprint`, an alert that fires, or `-key/fingerprint`."""
    key, _, fingerprint = text[1:].partition("/")

    return key, fingerprint or key, text[0] == "+"


def _policy(arguments: list[str]) -> Policy:
    steps: list[dict[str, object]] = []
    repeat: dict[str, object] = {}
    for argument in arguments:
        kind, _, value = argument.partition(":")
        if kind == "wait":
            steps.append({"kind": kind, "duration": value})
        elif kind == "repeat":
            count, _, delay = value.partition(":")
            repeat = {"count": int(count), "delay": delay}
        else:
            steps.append({"kind": kind, "targets": value.split(",")})

    return Policy.model_validate({"id": "test", "steps": steps, "repeat": repeat})


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_scenario(path: Path, pytestconfig: pytest.Config) -> None:
    """The story unfolds as its transcript says."""
    scenario, actual = Scenario(), []
    for block in path.read_text().strip().split("\n\n"):
        lines = block.splitlines()
        comments = [line for line in lines if line.startswith("#")]
        commands = [line for line in lines if not line.startswith("#")][:1]
        said = [await scenario.run(*_words(line)) for line in commands]
        told = ["----", *said] if commands else []
        actual.append("\n".join([*comments, *commands, *told]))
    text = "\n\n".join(actual) + "\n"
    if pytestconfig.getoption("--rewrite"):
        path.write_text(text)

    assert path.read_text() == text


def _words(line: str) -> tuple[str, list[str]]:
    command, *arguments = line.split()

    return command, arguments
