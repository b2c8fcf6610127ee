"""What is kept of a rejected request: without its secrets, and without getting in the way."""

from datetime import UTC, datetime

import anyio
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.memory import ManualClock, MemoryRejectedEvents
from engine.errors import StoreUnavailableError
from engine.ports import RejectedEvent
from workers.web.bodies import BEGINNING_BYTES
from workers.web.ingest.masks import without_secrets
from workers.web.ingest.rejections import WAITING_MAX, Rejections

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


class Elapsed:
    """Seconds that go on when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return how many there are."""
        return self.seconds


class Away(MemoryRejectedEvents):
    """Keeps nothing."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self._failure = failure or StoreUnavailableError("down")

    @override
    async def keep(self, event: RejectedEvent) -> None:
        raise self._failure


class Timeless(ManualClock):
    """Does not know the time."""

    @override
    def now(self) -> datetime:
        message = "never asked"
        raise StoreUnavailableError(message)


def note(rejections: Rejections, detail: str = "", beginning: bytes = b"{") -> None:
    """Have one kept."""
    rejections.note(
        source="alertmanager",
        integration="prometheus",
        reason="invalid_json",
        detail=detail,
        size=len(beginning),
        beginning=beginning,
    )


async def details(kept: MemoryRejectedEvents) -> list[str]:
    """Return the details of what is kept, newest first."""
    return [event.detail for event in await kept.latest(["prometheus"], 100)]


async def test_kept() -> None:
    """What is noted is written later, one at a time, the oldest first."""
    kept = MemoryRejectedEvents()
    rejections = Rejections(kept, ManualClock(NOW))
    note(rejections, "first")
    note(rejections, "second")
    before = await details(kept)
    await rejections.write()
    between = await details(kept)
    await rejections.write()
    await rejections.write()

    assert ([], ["first"]) == (before, between)
    assert ["second", "first"] == await details(kept)


async def test_line_is_short() -> None:
    """What finds the line full is not kept, and waits for nothing."""
    kept = MemoryRejectedEvents()
    rejections = Rejections(kept, ManualClock(NOW))
    for number in range(WAITING_MAX + 5):
        note(rejections, str(number))
    has_room = rejections.has_room
    for _ in range(WAITING_MAX + 5):
        await rejections.write()

    assert not has_room
    assert rejections.has_room
    assert WAITING_MAX == len(await details(kept))
    assert str(WAITING_MAX - 1) == (await details(kept))[0]


async def test_writes_on() -> None:
    """While the process serves, it writes whatever comes; its end ends that."""
    kept = MemoryRejectedEvents()
    rejections = Rejections(kept, ManualClock(NOW))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rejections.write_on)
        await anyio.wait_all_tasks_blocked()
        note(rejections, "it")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert ["it"] == await details(kept)


@pytest.mark.parametrize(
    "failure", [StoreUnavailableError("down"), RuntimeError("a bug")]
)
async def test_not_kept(failure: Exception) -> None:
    """If it cannot be written, that is logged, and the next one is tried."""
    rejections = Rejections(Away(failure), ManualClock(NOW))
    note(rejections)
    note(rejections)
    with capture_logs() as lines:
        await rejections.write()
        await rejections.write()

    assert ["rejected_event.not_kept"] * 2 == [line["event"] for line in lines]


def test_no_time() -> None:
    """Before the store has said what time it is nothing is kept, and nothing fails."""
    rejections = Rejections(Away(), Timeless(NOW))
    note(rejections)

    assert rejections.has_room


def test_unknown_keys() -> None:
    """However often a wrong key comes, the log says so now and then, and how often."""
    elapsed = Elapsed()
    rejections = Rejections(Away(), ManualClock(NOW), elapsed)
    with capture_logs() as lines:
        for _ in range(50):
            rejections.warn_of_unknown_key("generic")
        elapsed.seconds = 10.0
        rejections.warn_of_unknown_key("generic")

    assert [1, 50] == [line["count"] for line in lines]


@pytest.mark.parametrize(
    "body",
    [
        '{"routing_key": "canary", "a": 1}',
        '{"routing_key":"canary',
        '{"routing_key":"can\\"canary", "a": 1}',
        '{"routing_key":\n\t"canary"',
        '{"service_key": 123456canary}',
        '{"payload": {"custom_details": {"api_key": "canary"}}}',
        '{"Token": "canary"}',
        '{"apiKey": "canary", "x-api-key": "canary", "authToken": "canary"}',
        '{"access_token": "canary", "client_secret": "canary"}',
        '{"Authorization": "Bearer canary"}',
        '{"password": "canary canary"}',
        "{'routing_key': 'canary'}",
        "routing_key=canary&event_action=trigger",
        "a=1&api-key=canary",
        'payload={"key":"canary"}',
        '{"Message": "{\\"routing_key\\": \\"canary\\"}"}',
        "routing_key: canary\n",
        '{"token": ["canary"]}',
        "Authorization: Bearer canary",
        'Authorization: Digest username="u", response="canary"',
        "authorization=Basic+canary&a=1",
        "it was called with bearer canary",
        '{"log": "curl -H \'X: Basic canary\'"}',
        '{"Authorization": ["Bearer canary"]}',
        '{"Authorization": ["Bearer canary"], "cut": "',
        '{"password": ["a", "canary"]}',
        '{"password": ["a", "canary"], "cut',
        '{"password": {"a": [{"b": "canary"}]}}',
        '{"password": {"a": [{"b": 1}, "canary',
        '{"awsSecretAccessKey": "canary"}',
        '{"awsSecretAccessKey": "canary',
        '{"AWS_SECRET_ACCESS_KEY": "canary", "db-pwd": "canary"}',
        '{"pwd": "canary"}',
        "pwd=canary",
        '{"ROUTING-KEY": "canary", "RoutingKey": "canary"}',
        '{"url": "https://u:canary@h/"}',
        '{"url": "https://u:can@canary@h/", "cut": "',
        '{"url": "https:\\/\\/u:canary@h',
        '{"url": "https://u:canary',
        "https://canary@h/",
        "see http://r.example/ingest/generic/canary",
        '{"url": "http://r.example/ingest/generic/canary?a=1"}',
        '{"url": "http:\\/\\/r.example\\/ingest\\/generic\\/canary',
        '{"http://r.example/ingest/generic/canary": 1}',
        '{"routing\\u005fkey": "canary"}',
        '{"routing\\u005fkey": "canary',
        '{"pass\\u0077ord": "a\\u0022canary", "cut',
        '{"Message": "{\\"routing\\\\u005fkey\\": [\\"a\\", \\"canary\\"]}"}',
        '{"Message": "{\\"routing\\\\u005fkey\\": [\\"a\\", \\"canary',
        "payload=%7B%22routing_key%22%3A%22canary%22%7D",
        "routing%5Fkey=canary",
        '{"url": "https://r.example/?to=https%3A%2F%2Fu%3Acanary%40h%2F"}',
        '{"url": "https://r.example/?to=http%3A%2F%2Fh%2Fingest%2Fgeneric%2Fcanary"}',
        "[" * 1_000 + '{"token": "canary"}' + "]" * 1_000,
    ],
)
def test_secrets(body: str) -> None:
    """What stands behind the name of a secret is masked, whatever the body's shape."""
    shown = without_secrets(body.encode())

    assert "canary" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "body",
    [
        '{"dedup_key": "db1", "groupKey": "{}:{a=1}", "severity": "critical"}',
        "title=Disk+full&monkey=1",
        '{"url": "http://prometheus:9090/graph?g0.expr=up%3D%3D0", "n": [1, 1.5, null]}',
        '{"url": "http://prometheus:9090',
        '{"url": "http://[::1]:9090',
        '{"summary": "caf\u00e9", "half": "\\ud800"}',
        "",
    ],
)
def test_no_secrets(body: str) -> None:
    """Keys that are none of ours, and all else, are shown: people look for them."""
    assert body == without_secrets(body.encode())


def test_rest_is_shown() -> None:
    """Only the secrets are masked: the rest still says what came, from where."""
    assert '{"password": "***", "a": [1], "b": "https://***@h/"}' == without_secrets(
        b'{"password": ["a", "b"], "a": [1], "b": "https://u:p@h/"}'
    )
    assert "Authorization: ***\na: 1" == without_secrets(
        b"Authorization: Bearer k\na: 1"
    )
    assert "http://r/ingest/generic/***?a=1" == without_secrets(
        b"http://r/ingest/generic/key?a=1"
    )


def test_beginning() -> None:
    """Two kilobytes are kept, fit to show; what is no text is shown as far as it is."""
    assert BEGINNING_BYTES == len(without_secrets(b"x" * 10_000))
    assert "a \ufffd b" == without_secrets(b"a\x00\xff\x1bb")
    assert '{"routing_key": ***' == without_secrets(
        b'{"routing_key": "' + b"k" * 10_000
    )


SLOW_TO_SEARCH = (
    'key="' + "\\" * 2_043,
    "key " * 600,
    "a-" * 1_000,
    "a_b_c_d" * 300,
    '"' * 2_048,
    "a" * 2_048,
    "token " * 340,
    "token=" * 340,
    "://" * 680,
    "://a:" * 400,
    ":" + "\\" * 2_047,
    "%3a%2f%2f" * 227,
    "basic " * 340,
    "bearer" + " " * 2_000,
    "/ingest/a/" * 204,
    "authorization" * 150,
    "secret" * 340 + "=",
    "[" * 1_024 + "]" * 1_024,
    '{"a":' * 300 + "1" + "}" * 300,
)


@pytest.mark.parametrize("body", SLOW_TO_SEARCH)
def test_no_body_takes_long(body: str) -> None:
    """A body made to be slow to search is searched a hundred times in no time."""
    lengths = {len(without_secrets(body.encode())) for _ in range(100)}

    assert max(lengths) <= BEGINNING_BYTES
