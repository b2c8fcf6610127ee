"""What every lookup and channel promises: ours, and the examples of the documentation."""

import importlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from engine.adapters.channels.console import ConsoleChannel
from engine.adapters.channels.webhook import WebhookChannel
from engine.adapters.http import Limits, OutboundHttp
from engine.adapters.lookups.static_file import StaticFileLookup
from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import ManualClock, MemoryChannel, MemoryConfiguration
from engine.directory import Directory
from rung.channels import Channel, DeliveryResult, Notification, Outcome
from rung.oncall import OnCall, OnCallReason, ScheduleTarget, Target
from rung.testing import NOW, check_channel, check_lookup
from tests.support.distributions import EXAMPLES
from tests.support.receiver import receiving, status

PRIMARY = ScheduleTarget(id="primary")
ROTAS = '{"primary": ["alice", "bob"], "night": []}'
ON_CALL = {"primary": ("alice", "bob", "alice")}


@pytest.fixture(name="example")
def _example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """Return what imports the module of an example."""

    def load(name: str, module: str) -> Any:
        monkeypatch.syspath_prepend(EXAMPLES / name)

        return importlib.import_module(module)

    return load


async def test_table() -> None:
    """The table of the directory is a lookup."""
    configuration = MemoryConfiguration(Directory(on_call=ON_CALL))

    await check_lookup(TableLookup(configuration), PRIMARY)


@pytest.mark.parametrize("text", ["schedules: {primary: [alice, bob]}", "broken: ["])
async def test_static_file(tmp_path: Path, text: str) -> None:
    """A file is one, also while it cannot be read."""
    file = tmp_path / "on_call.yaml"
    file.write_text(text, encoding="utf-8")

    await check_lookup(StaticFileLookup(file, ManualClock(NOW)), PRIMARY)


async def test_example_lookup(example: Callable[[str, str], Any]) -> None:
    """The example is a lookup: its turns end when it says so."""
    weekly = example("weekly", "rung_weekly").Weekly({"WEEKLY_ROTAS": ROTAS})

    await check_lookup(weekly, PRIMARY, ScheduleTarget(id="night"))


async def test_console() -> None:
    """The console is a channel, wherever it writes to."""
    await check_channel(ConsoleChannel(io.StringIO()), "", "a terminal")


async def test_webhook() -> None:
    """The webhook channel is one, for addresses that are asked and that are not."""
    http = OutboundHttp(
        allowed=(ip_network("127.0.0.0/8"),), limits=Limits(total_seconds=0.3)
    )
    async with receiving(status(204), tls=False) as receiver:
        url = receiver.url(host="127.0.0.1", scheme="http")

        await check_channel(WebhookChannel(http, ManualClock(NOW)), url)


async def test_memory() -> None:
    """What stands in for channels in tests is one."""
    await check_channel(MemoryChannel(), "anything")


async def test_example_channel(
    example: Callable[[str, str], Any], tmp_path: Path
) -> None:
    """The example is a channel; a second attempt makes no second message."""
    module = example("spool", "rung_spool")

    await check_channel(
        module.Spool({"SMS_DIRECTORY": str(tmp_path)}), "+4917012345678"
    )
    assert 1 == len([*tmp_path.iterdir()])
    await check_channel(module.Spool({"SMS_DIRECTORY": "/nowhere"}), "+4917012345678")


def lookup(make: Callable[[Target, datetime], Any]) -> Any:
    """Return a lookup that answers by a function."""

    class Lookup:
        async def who(self, target: Target, at: datetime) -> Any:
            return make(target, at)

    return Lookup()


def answer(**fields: Any) -> Callable[[Target, datetime], Any]:
    """Return what answers always the same."""
    good = OnCall(people=("alice",), reason=OnCallReason.ROTATION, source="rota")

    return lambda _target, _at: replace(good, **fields)


def fails(_target: Target, _at: datetime) -> OnCall:
    """Raise what no lookup may."""
    raise KeyError("primary")


def early(_target: Target, at: datetime) -> OnCall:
    """Say that somebody is on call for an hour, and mean a minute."""
    person = "alice" if at.minute == 0 else "bob"

    return OnCall(
        people=(person,),
        reason=OnCallReason.ROTATION,
        source="rota",
        until=at + timedelta(hours=1, minutes=30),
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _target, _at: None, "None is no OnCall"),
        (answer(people=["alice"]), "people are no tuple"),
        (answer(people=("alice", 7)), "7 is no text"),
        (answer(people=("",)), "somebody has no id"),
        (answer(people=("alice", "alice")), "somebody is there twice"),
        (answer(reason="on duty"), "'on duty' is no OnCallReason"),
        (answer(source=None), "None is no source"),
        (answer(until="Monday"), "until 'Monday'"),
        (answer(until=datetime(2100, 1, 1)), "not in UTC"),  # noqa: DTZ001 - that is what is wrong
        (
            answer(until=datetime(2100, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
            r"\+01:00: not in UTC",
        ),
        (answer(until=datetime(2020, 1, 1, tzinfo=UTC)), "that is over already"),
        (early, r"\('alice',\) until .* but \('bob',\) at"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_no_lookup(
    make: Callable[[Target, datetime], Any], expected: str
) -> None:
    """What breaks a promise of lookups is found, and said."""
    with pytest.raises(AssertionError, match=expected):
        await check_lookup(lookup(make), PRIMARY)


async def test_raising_lookup() -> None:
    """A lookup that raises what it may not is shown its own error."""
    with pytest.raises(KeyError, match="primary"):
        await check_lookup(lookup(fails), PRIMARY)


def channel(make: Callable[[Notification], Any]) -> Channel:
    """Return a channel that answers by a function."""

    class Made:
        async def send(self, notification: Notification) -> Any:
            return make(notification)

    return Made()


def result(**fields: Any) -> Callable[[Notification], Any]:
    """Return what says always the same of an attempt."""
    return lambda _one: replace(DeliveryResult(outcome=Outcome.SENT), **fields)


def quotes(notification: Notification) -> DeliveryResult:
    """Tell where it went, which may be a secret."""
    detail = f"no answer from {notification.address}"

    return DeliveryResult(outcome=Outcome.FAILED, detail=detail)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _one: True, "True is no result"),
        (result(outcome="done"), "'done' is no Outcome"),
        (result(detail=None), "None is no text"),
        (result(retry_after=3), "retry after 3"),
        (quotes, "its detail quotes the address"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_no_channel(make: Callable[[Notification], Any], expected: str) -> None:
    """What breaks a promise of channels is found, and said."""
    with pytest.raises(AssertionError, match=expected):
        await check_channel(channel(make), "https://hooks.example/secret")
