"""Plugins are all there, or it is said which is not, and whose."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from policies.targets import ScheduleTarget
from tests.support.distributions import install
from tests.support.impatience import an_hour_passes
from workers.plugins import PluginError, loaded

OWN = ("console", "webhook")
AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
CHANNEL = """
class Sms:
    def __init__(self, environment):
        self.token = environment["SMS_TOKEN"]

    async def send(self, notification):
        return self.token
"""
LOOKUP = """
class Rota:
    def __init__(self, environment):
        pass

    async def who(self, target, at):
        return "rota"

class Here(Rota):
    is_local = True
"""
ENTERED = """
from contextlib import asynccontextmanager

import anyio

events = []

class Sms:
    async def send(self, notification):
        return "sent"

@asynccontextmanager
async def opened(environment):
    events.append("opened")
    yield Sms()
    events.append("closed")

@asynccontextmanager
async def failing_at_once(environment):
    raise ValueError("no route to the-token-of-sms")
    yield

@asynccontextmanager
async def hanging(environment):
    await anyio.sleep_forever()
    yield

async def background():
    await anyio.lowlevel.checkpoint()
    raise ValueError("in the background")

@asynccontextmanager
async def failing_later(environment):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(background)
        yield Sms()

@asynccontextmanager
async def failing_at_the_end(environment):
    yield Sms()
    raise ValueError("at the end")
"""
TOKEN = {"SMS_TOKEN": "the-token-of-sms"}


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory of the search path; its modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("plugin_"):
            del sys.modules[name]


def channel(
    site: Path,
    factory: str = "plugin_sms:Sms",
    *,
    name: str = "sms",
    code: str = CHANNEL,
) -> None:
    """Install a channel."""
    install(site, "rung-sms", {"rung.channels": {name: factory}}, plugin_sms=code)


def lookup(site: Path, distribution: str = "rung-rota", **names: str) -> None:
    """Install lookups, with their factories by name."""
    install(site, distribution, {"rung.oncall": names}, plugin_rota=LOOKUP)


async def refusal(on_call: str | None = None, **environment: str) -> str:
    """Return with what line loading ends."""
    with pytest.raises(PluginError) as caught:
        async with loaded(on_call, TOKEN | environment, OWN):
            pass

    return str(caught.value)


async def test_none() -> None:
    """Nothing is installed, nothing is there."""
    async with loaded(None, {}, OWN) as plugins:
        assert {} == plugins.channels
        assert plugins.lookup is None
        assert not plugins.is_lookup_local


async def test_channel(site: Path) -> None:
    """A channel is known by its name, and was made with the environment."""
    channel(site)
    with capture_logs() as lines:
        async with loaded(None, TOKEN, OWN) as plugins:
            answer = await plugins.channels["sms"].send(None)  # type: ignore[arg-type] # it looks at none

    assert "the-token-of-sms" == str(answer)
    assert [("plugin.loaded", "sms", "rung-sms 1.0")] == [
        (line["event"], line["plugin"], line["distribution"]) for line in lines
    ]


async def test_lookup(site: Path) -> None:
    """The lookup that is named is loaded, and no other is looked at."""
    lookup(site, rota="plugin_rota:Rota", broken="plugin_nowhere:Rota")
    async with loaded("rota", TOKEN, OWN) as plugins:
        assert plugins.lookup is not None
        answer = await plugins.lookup.who(ScheduleTarget(id="primary"), AT)

        assert "rota" == str(answer)
        assert not plugins.is_lookup_local


async def test_local(site: Path) -> None:
    """A lookup that knows by itself says so; nobody is taken for one without a word."""
    lookup(site, here="plugin_rota:Here")
    async with loaded("here", {}, OWN) as plugins:
        assert plugins.is_lookup_local


async def test_not_named(site: Path) -> None:
    """A lookup that is installed, and not named, is not even imported."""
    lookup(site, broken="plugin_nowhere:Rota")
    async with loaded(None, {}, OWN) as plugins:
        assert plugins.lookup is None


async def test_unknown_lookup(site: Path) -> None:
    """A name that no lookup has is told with those that there are."""
    nothing = await refusal("rota")
    lookup(site, night="plugin_rota:Rota", day="plugin_rota:Rota")

    assert (
        "RUNG_ON_CALL: no on-call lookup 'rota' is installed; there is none at all"
        == nothing
    )
    assert (
        "RUNG_ON_CALL: no on-call lookup 'rota' is installed; there are: day, night"
        == await refusal("rota")
    )


@pytest.mark.parametrize("name", OWN)
async def test_own_name(site: Path, name: str) -> None:
    """Nobody's channel stands in for one of ours; it is said whose wants to."""
    channel(site, name=name)

    assert (
        f"channel '{name}' of rung-sms 1.0: rung has a channel of this name: "
        "uninstall it" == await refusal()
    )


async def test_bad_name(site: Path) -> None:
    """A name of a channel is part of keys: it is made of few letters."""
    channel(site, name="sms/mobile")

    assert (
        "channel 'sms/mobile' of rung-sms 1.0: the name of a channel is letters, digits "
        "and `._-`" == await refusal()
    )


async def test_twice(site: Path) -> None:
    """Of two with one name none is taken: both distributions are told."""
    channel(site)
    install(site, "other-sms", {"rung.channels": {"sms": "plugin_sms:Sms"}}, "2.1")

    assert (
        "channel 'sms' is brought by other-sms 2.1 and rung-sms 1.0: uninstall one"
        == await refusal()
    )


async def test_lookup_twice(site: Path) -> None:
    """Of two lookups with the name that was asked for none is taken."""
    lookup(site, rota="plugin_rota:Rota")
    lookup(site, "other-rota", rota="plugin_rota:Rota")
    async with loaded(None, {}, OWN):
        pass

    assert (
        "on-call lookup 'rota' is brought by other-rota 1.0 and rung-rota 1.0: "
        "uninstall one" == await refusal("rota")
    )


@pytest.mark.parametrize(
    ("factory", "code", "expected"),
    [
        (
            "plugin_nowhere:Sms",
            "",
            "cannot be imported: ModuleNotFoundError: No module named 'plugin_nowhere'",
        ),
        (
            "plugin_sms:Sms",
            "",
            "cannot be imported: AttributeError: module 'plugin_sms' has no attribute 'Sms'",
        ),
        (
            "plugin_sms:Sms",
            "import sys\nsys.exit('over')",
            "cannot be imported: SystemExit: over",
        ),
        (
            "plugin_sms:Sms",
            "def Sms(environment):\n    raise ValueError('a bad\\n token: ' + environment['SMS_TOKEN'])",
            "cannot be made: ValueError: a bad token: $SMS_TOKEN",
        ),
        (
            "plugin_sms:Sms",
            "def Sms():\n    pass",
            "cannot be made: TypeError: Sms() takes 0 positional arguments but 1 was given",
        ),
        (
            "plugin_sms:failing_at_once",
            ENTERED,
            "cannot be started: ValueError: no route to $SMS_TOKEN",
        ),
    ],
)
async def test_broken(site: Path, factory: str, code: str, expected: str) -> None:
    """What breaks a plugin is told with its distribution; no secret is quoted."""
    channel(site, factory, code=code)

    assert (
        f"channel 'sms' of rung-sms 1.0: {expected}; correct that, or uninstall it"
        == await refusal()
    )


async def test_no_channel(site: Path) -> None:
    """What a factory makes has to be a channel."""
    channel(site, code="def Sms(environment):\n    return None")

    assert (
        "channel 'sms' of rung-sms 1.0: made no channel: it has no method 'send'"
        == await refusal()
    )


async def test_entered(site: Path) -> None:
    """What has to be entered is entered for as long as the process works."""
    channel(site, "plugin_sms:opened", code=ENTERED)
    async with loaded(None, {}, OWN) as plugins:
        events = sys.modules["plugin_sms"].events
        meanwhile = [*events]
        answer = await plugins.channels["sms"].send(None)  # type: ignore[arg-type] # it looks at none

    assert ["opened"] == meanwhile
    assert "sent" == str(answer)
    assert ["opened", "closed"] == events


async def test_error_meanwhile(site: Path) -> None:
    """An error of the process is what it was, and the plugin is left all the same."""
    channel(site, "plugin_sms:opened", code=ENTERED)
    with pytest.raises(KeyError, match="ours"):
        async with loaded(None, {}, OWN):
            raise KeyError("ours")

    assert ["opened", "closed"] == sys.modules["plugin_sms"].events


async def test_hangs(site: Path) -> None:
    """A plugin that is not there in time ends the process."""
    channel(site, "plugin_sms:hanging", code=ENTERED)
    line = ""

    async def load() -> None:
        nonlocal line
        line = await refusal()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load)
        await anyio.wait_all_tasks_blocked()
        an_hour_passes()

    assert "channel 'sms' of rung-sms 1.0: did not start within 10 s" == line


@pytest.mark.parametrize("factory", ["failing_later", "failing_at_the_end"])
async def test_fails_meanwhile(site: Path, factory: str) -> None:
    """What fails in the background of a plugin ends nothing but the plugin."""
    channel(site, f"plugin_sms:{factory}", code=ENTERED)
    with capture_logs() as lines:
        async with loaded(None, {}, OWN):
            await anyio.wait_all_tasks_blocked()
            is_alive = True

    [failed] = [line for line in lines if line["event"] == "plugin.failed"]
    assert is_alive
    assert ("sms", "rung-sms 1.0") == (failed["plugin"], failed["distribution"])
    assert "background" not in failed["error"]
