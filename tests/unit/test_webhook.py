"""The webhook channel: what receivers get, and what their answers mean."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from engine.adapters.channels.webhook import (
    WebhookChannel,
    read_retry_after,
    write_body,
    write_headers,
)
from engine.adapters.http import Limits, OutboundHttp
from engine.adapters.memory import ManualClock
from engine.core.events import Outcome
from engine.core.incident import Status
from engine.core.page import key_of
from engine.ports import Clock, DeliveryResult, Notification
from tests.support.receiver import (
    LOOPBACK,
    Receiver,
    WallClock,
    receiving,
    silence,
    status,
    trusting,
)
from tests.support.servers import free_port

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
NEW, OLD, WRONG = (f"whsec_{letter}fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" for letter in "NMA")
AT = datetime(2026, 3, 2, 10, 15, 0, 250_000, tzinfo=UTC)
PAGE = Notification(
    key=key_of("page"),
    incident_id="05HNN48A0C5",
    title="DiskFull on db1",
    status=Status.TRIGGERED,
    person="alice",
    name="Alice",
    address="https://hook.example.test/",
    attempt=1,
    labels={"alertname": "DiskFull"},
    secrets=(NEW, OLD),
)


async def every_name(_: str, __: int) -> Sequence[str]:
    """Take every name for this machine's."""
    return [LOOPBACK]


def a_channel(clock: Clock | None = None) -> WebhookChannel:
    """Return a channel that reaches the receivers of these tests."""
    http = OutboundHttp(
        allowed=(ip_network("127.0.0.0/8"),),
        resolve=every_name,
        ssl_context=trusting(),
        limits=Limits(total_seconds=0.3),
    )

    return WebhookChannel(http, clock or ManualClock(AT))


async def send(receiver: Receiver, clock: Clock | None = None) -> DeliveryResult:
    """Send the page of these tests to a receiver."""
    return await a_channel(clock).send(replace(PAGE, address=receiver.url()))


def documented() -> Callable[[dict[str, str], bytes], int]:
    """Return the receiver that the documentation shows."""
    [example] = re.findall(
        r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - our own

    return names["receive"]  # type: ignore[no-any-return]


class TestBody:
    """What a body says."""

    def test_all(self) -> None:
        """It says what is documented, and nothing else."""
        [shown] = re.findall(
            r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL
        )
        page = replace(
            PAGE,
            key="3f2a91bc6d0e4f15a7c2",
            labels={"alertname": "DiskFull", "host": "db1"},
            incident_url="https://rung.example.com/v1/incidents/inc_05HNN48A0C5",
        )

        assert orjson.loads(shown) == orjson.loads(write_body(page, AT))

    def test_moment(self) -> None:
        """Status, attempt and lateness are those of the attempt."""
        page = replace(PAGE, status=Status.ACKNOWLEDGED, attempt=3, late_by_seconds=70)
        data = orjson.loads(write_body(page, AT))["data"]

        assert ("acknowledged", 3, 70) == (
            data["status"],
            data["attempt"],
            data["late_by_seconds"],
        )

    def test_no_url(self) -> None:
        """Without a public address there is no link."""
        assert "url" not in orjson.loads(write_body(PAGE, AT))["data"]

    def test_secrets(self) -> None:
        """Secrets, names and addresses stay here."""
        body = write_body(PAGE, AT).decode()

        assert not any(each in body for each in (NEW, OLD, "Alice", "hook.example"))

    @pytest.mark.parametrize("letter", ["a", "ß", "\x00", '"', "😀"])
    def test_size(self, letter: str) -> None:
        """However large the incident is, a body is under 20 KB, and says so."""
        labels = {f"k{number}": letter * 300 for number in range(200)}
        body = write_body(replace(PAGE, title=letter * 9_000, labels=labels), AT)
        data = orjson.loads(body)["data"]

        assert len(body) < 20_000
        assert letter * 500 == data["title"]
        assert 200 == len(data["labels"]) + data["labels_left_out"]
        assert 0 < len(data["labels"]) < 200

    def test_huge_label(self) -> None:
        """A label for which there is no room pushes no other out."""
        page = replace(PAGE, labels={"a": "1", "huge": "x" * 20_000, "b": "2"})
        data = orjson.loads(write_body(page, AT))["data"]

        assert {"a": "1", "b": "2"} == data["labels"]
        assert 1 == data["labels_left_out"]


class TestSignature:
    """How receivers know whom a request is from, and that it is a repeat."""

    async def test_verified(self) -> None:
        """The library verifies what was sent, with each of the secrets."""
        async with receiving() as receiver:
            result = await send(receiver, WallClock())

        [received] = receiver.received
        event = Webhook(NEW).verify(received.body, received.headers)
        assert Outcome.SENT is result.outcome
        assert "incident.triggered" == event["type"]
        assert event == Webhook(OLD).verify(received.body, received.headers)
        assert PAGE.key == received.headers["webhook-id"] == event["data"]["page"]

    async def test_not_verified(self) -> None:
        """With another secret, or with a body that was changed, it is not verified."""
        async with receiving() as receiver:
            await send(receiver, WallClock())

        [received] = receiver.received
        with pytest.raises(WebhookVerificationError):
            Webhook(WRONG).verify(received.body, received.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(received.body + b" ", received.headers)

    def test_headers(self) -> None:
        """There is a signature for each secret, the newest first."""
        body = b"{}"
        headers = write_headers(PAGE, AT, body)
        signatures = [Webhook(each).sign(PAGE.key, AT, "{}") for each in (NEW, OLD)]

        assert {
            "content-type": "application/json",
            "webhook-id": PAGE.key,
            "webhook-timestamp": "1772446500",
            "webhook-signature": " ".join(signatures),
        } == headers

    def test_unsigned(self) -> None:
        """Without a secret there is no signature, and nothing that looks like one."""
        headers = write_headers(replace(PAGE, secrets=()), AT, b"{}")

        assert "webhook-signature" not in headers

    def test_key(self) -> None:
        """Keys have no dot, which parts an id from what follows it when it is signed."""
        assert re.fullmatch(r"[0-9a-f]+", key_of("a.b", "c"))

    async def test_attempts(self) -> None:
        """Another attempt has the same id and the time of its own."""
        clock = ManualClock(AT)
        async with receiving() as receiver:
            await send(receiver, clock)
            clock.advance(timedelta(seconds=5))
            await send(receiver, clock)

        first, second = (received.headers for received in receiver.received)
        assert first["webhook-id"] == second["webhook-id"]
        assert ("1772446500", "1772446505") == (
            first["webhook-timestamp"],
            second["webhook-timestamp"],
        )


class TestDocumented:
    """The receiver of the documentation is one that works."""

    async def test_received(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It takes in what is signed, and prints a repeat once."""
        receive = documented()
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - shown
        async with receiving() as receiver:
            page = replace(PAGE, address=receiver.url(), secrets=(secret,))
            for _ in range(2):
                await a_channel(WallClock()).send(page)
        answers = [receive(each.headers, each.body) for each in receiver.received]

        assert [204, 204] == answers
        assert "alice DiskFull on db1\n" == capsys.readouterr().out

    async def test_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It refuses what is signed with another secret, or not at all."""
        receive = documented()
        async with receiving() as receiver:
            for secrets in ((NEW,), ()):
                page = replace(PAGE, address=receiver.url(), secrets=secrets)
                await a_channel(WallClock()).send(page)
        answers = [receive(each.headers, each.body) for each in receiver.received]

        assert [401, 401] == answers
        assert not capsys.readouterr().out


class TestAnswer:
    """What an answer means for the notification."""

    @pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
    async def test_sent(self, code: int) -> None:
        """Every success is one."""
        async with receiving(status(code)) as receiver:
            result = await send(receiver)

        assert DeliveryResult(outcome=Outcome.SENT, detail=f"answered {code}") == result

    @pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418, 451])
    async def test_final(self, code: int) -> None:
        """What the receiver will say again is not asked again."""
        async with receiving(status(code, "Retry-After: 1")) as receiver:
            result = await send(receiver)

        assert (
            DeliveryResult(
                outcome=Outcome.FAILED, detail=f"answered {code}", is_final=True
            )
            == result
        )

    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    async def test_redirect(self, code: int) -> None:
        """A redirect is not followed, and the timeline says what to do."""
        async with receiving(
            status(code, "Location: https://127.0.0.1/s3cret")
        ) as receiver:
            result = await send(receiver)

        assert (
            f"answered {code}; redirects are not followed, write the URL that it "
            "leads to"
        ) == result.detail
        assert result.is_final
        assert 1 == receiver.connections

    @pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
    async def test_again(self, code: int) -> None:
        """What passes is tried again, no sooner than the receiver asks."""
        async with receiving(status(code, "Retry-After: 20")) as receiver:
            result = await send(receiver)

        assert (
            DeliveryResult(
                outcome=Outcome.FAILED,
                detail=f"answered {code}",
                retry_after=timedelta(seconds=20),
            )
            == result
        )

    async def test_refused_connection(self) -> None:
        """Where nobody listens it has failed, and may be tried again."""
        url = f"https://hook.example.test:{free_port()}/"
        result = await a_channel().send(replace(PAGE, address=url))

        assert Outcome.FAILED is result.outcome
        assert not result.is_final

    @pytest.mark.parametrize(
        "url", ["", "http://10.0.0.1/", "https://10.0.0.1/", "file:///etc/passwd"]
    )
    async def test_refused_url(self, url: str) -> None:
        """A URL that may not be asked has failed for good."""
        http = OutboundHttp(ssl_context=trusting())
        channel = WebhookChannel(http, ManualClock(AT))
        result = await channel.send(replace(PAGE, address=url))

        assert Outcome.FAILED is result.outcome
        assert result.is_final

    async def test_certificate(self) -> None:
        """So has one whose certificate is another's."""
        async with receiving() as receiver:
            page = replace(PAGE, address=receiver.url(host="other.example.test"))
            result = await a_channel().send(page)

        assert Outcome.FAILED is result.outcome
        assert result.is_final

    @pytest.mark.parametrize("answer", [silence, b""], ids=["silence", "broken"])
    async def test_unknown(self, answer: Any) -> None:
        """What may have arrived may be sent again: the receiver knows the id."""
        async with receiving(answer) as receiver:
            result = await send(receiver)

        assert 1 == len(receiver.received)
        assert Outcome.UNKNOWN is result.outcome
        assert result.is_repeatable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("99999999999999999999999999", 3600),
        ("Mon, 02 Mar 2026 10:15:30 GMT", 29.75),
        ("Mon, 02 Mar 2026 10:15:30 -0000", 29.75),
        ("Mon, 02 Mar 2026 11:15:30 +0100", 29.75),
        ("Mon, 02 Mar 2026 10:14:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Mon, 99 Mar 2026 10:15:30 GMT", None),
        (f"Mon, 02 Mar {'9' * 20} 10:15:30 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Seconds or a date, an hour at most; anything else says nothing."""
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert expected == read_retry_after(text, AT)
