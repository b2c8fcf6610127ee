"""Outbound HTTP: whom it asks, whom it does not, and what it makes of an answer."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_network

import anyio
import pytest

from engine.adapters.destinations import (
    CertificateError,
    NoAnswerError,
    OutboundError,
    RefusedUrlError,
    UnreachableError,
)
from engine.adapters.http import Answered, Limits, OutboundHttp
from engine.adapters.resolver import SystemResolver
from tests.support.receiver import (
    HOST,
    LOOPBACK,
    Answer,
    Received,
    dripping,
    receiving,
    silence,
    status,
    trusting,
)
from tests.support.servers import free_port

LOOPBACK_NETWORK = ip_network("127.0.0.0/8")
SECRET = "s3cret"  # noqa: S105 - what must not be quoted
QUICK = Limits(connect_seconds=1, total_seconds=0.3, rest_seconds=0.1)
PUBLIC = "93.184.216.34"


class Names:
    """A name server that gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Give the next answer."""
        self.asked.append((host, port))

        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def an_http(
    resolve: Callable[[str, int], Awaitable[Sequence[str]]] | None = None,
    *,
    allow: str | None = str(LOOPBACK_NETWORK),
    limits: Limits | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> OutboundHttp:
    """Return an adapter; unless said otherwise, every name is this machine's."""
    return OutboundHttp(
        allowed=(ip_network(allow),) if allow else (),
        resolve=resolve or Names([LOOPBACK]),
        ssl_context=ssl_context or trusting(),
        limits=limits or Limits(),
    )


async def refusal(http: OutboundHttp, url: str) -> OutboundError:
    """Return what a request to a URL ends with."""
    with pytest.raises(OutboundError) as caught:
        await http.request("POST", url, body=b"{}")

    return caught.value


class TestRequest:
    """What is sent, and to whom it seems to be sent."""

    async def test_post(self) -> None:
        """The host of the URL is who is asked, whatever its address is."""
        async with receiving() as receiver:
            answered = await an_http().request(
                "POST",
                receiver.url("/a/b?c=d"),
                headers={"webhook-id": "k"},
                body=b"{}",
            )

        assert Answered(status=200) == answered
        assert [
            Received(
                line="POST /a/b?c=d HTTP/1.1",
                headers={
                    "accept-encoding": "identity",
                    "user-agent": "rung",
                    "webhook-id": "k",
                    "host": f"{HOST}:{receiver.port}",
                    "content-length": "2",
                },
                body=b"{}",
            )
        ] == receiver.received

    async def test_get(self) -> None:
        """A request may be without a body, as a ping is."""
        async with receiving() as receiver:
            await an_http().request("GET", receiver.url())

        [received] = receiver.received
        assert "GET /hook HTTP/1.1" == received.line
        assert b"" == received.body

    async def test_status(self) -> None:
        """An answer is an answer, whatever its status; its words are not kept."""
        async with receiving(status(503, "Retry-After: 7", body=b"sorry")) as receiver:
            answered = await an_http().request("POST", receiver.url())

        assert Answered(status=503, retry_after="7") == answered

    async def test_redirect(self) -> None:
        """A redirect is an answer, and not followed."""
        async with receiving(
            status(302, "Location: https://169.254.169.254/")
        ) as receiver:
            answered = await an_http().request("POST", receiver.url())

        assert 302 == answered.status
        assert 1 == receiver.connections

    async def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No proxy of the environment is told what we ask."""
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        async with receiving() as receiver:
            answered = await an_http().request("POST", receiver.url())

        assert 200 == answered.status

    async def test_own_connection(self) -> None:
        """No request uses the connection of another: it is known by its address only."""
        async with receiving() as receiver:
            http = an_http()
            await http.request("POST", receiver.url())
            error = await refusal(http, receiver.url(host="other.example.test"))

        assert isinstance(error, CertificateError)
        assert 1 == len(receiver.received)

    async def test_cookies(self) -> None:
        """What a receiver would have us remember is forgotten."""
        async with receiving(status(200, "Set-Cookie: a=b")) as receiver:
            http = an_http()
            await http.request("POST", receiver.url())
            await http.request("POST", receiver.url())

        assert "cookie" not in receiver.received[1].headers


class TestUrl:
    """What is refused before anybody is asked."""

    @pytest.mark.parametrize(
        "url",
        [
            f"file:///etc/{SECRET}",
            f"gopher://h/{SECRET}",
            f"ftp://h/{SECRET}",
            f"ws://h/{SECRET}",
            f"json://h/{SECRET}",
            f"https:///{SECRET}",
            f"https:{SECRET}",
            SECRET,
            "",
            f"https://user:{SECRET}@hook.example.test/",
            f"https://{SECRET}@hook.example.test/",
            f"https://hook.example.test\\@h/{SECRET}",
            f"https://hook.example.test:99999/{SECRET}",
            f"https://hook.example.test:port/{SECRET}",
            f"https://hook.example.test/\n{SECRET}",
            f"https://[::1/{SECRET}",
            f"https://0177.0.0.1/{SECRET}",
        ],
    )
    async def test_refused(self, url: str) -> None:
        """What is no https URL of a host is refused unasked, and not quoted."""
        names = Names([LOOPBACK])
        error = await refusal(an_http(names), url)

        assert isinstance(error, RefusedUrlError)
        assert SECRET not in str(error)
        assert [] == names.asked

    async def test_plain(self) -> None:
        """Without TLS nobody is asked but who is on the operator's list."""
        async with receiving(tls=False) as receiver:
            url = receiver.url(scheme="http")
            answered = await an_http().request("POST", url)
            error = await refusal(an_http(Names([PUBLIC])), url)

        assert 200 == answered.status
        assert isinstance(error, RefusedUrlError)
        assert (
            f"{HOST}: it has to be https; if it is yours, add its network to "
            "RUNG_WEBHOOK_ALLOW"
        ) == str(error)
        assert 1 == receiver.connections

    @pytest.mark.parametrize("port", [0, 1, 22, 25, 444, 1023])
    async def test_port(self, port: int) -> None:
        """A port of something else than a web server is not asked."""
        error = await refusal(
            an_http(Names([PUBLIC]), allow=None), f"https://{HOST}:{port}/{SECRET}"
        )

        assert (
            f"{HOST}: port {port} is not one of web servers; if it is yours, add its "
            "network to RUNG_WEBHOOK_ALLOW"
        ) == str(error)

    async def test_port_on_the_list(self) -> None:
        """Any port of an address on the operator's list may be asked."""
        error = await refusal(an_http(), f"https://{HOST}:1/")

        assert isinstance(error, UnreachableError)


class TestAddress:
    """What a name leads to decides, all of it, once."""

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0",
            "[::1]",
            "[::ffff:7f00:1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fec0::1]",
            "[fd00:ec2::254]",
            "169.254.169.254",
            "10.0.0.1",
            "100.64.1.1",
        ],
    )
    async def test_internal(self, host: str) -> None:
        """However an internal address is written, the system's reading of it counts."""
        async with receiving() as receiver:
            error = await refusal(
                an_http(SystemResolver(), allow=None),
                receiver.url(host=host, path=f"/{SECRET}"),
            )

        assert isinstance(error, RefusedUrlError)
        assert str(error).endswith(
            " is an internal address; if it is yours, add its network to "
            "RUNG_WEBHOOK_ALLOW"
        )
        assert SECRET not in str(error)
        assert 0 == receiver.connections

    async def test_said(self) -> None:
        """The name and its address are said, so that one knows which network to add."""
        error = await refusal(
            an_http(Names(["10.1.2.3"]), allow=None), f"https://{HOST}/"
        )

        assert (
            f"{HOST}: 10.1.2.3 is an internal address; if it is yours, add its network "
            "to RUNG_WEBHOOK_ALLOW"
        ) == str(error)

    @pytest.mark.parametrize("others", [[PUBLIC, "10.0.0.1"], ["::1", PUBLIC]])
    async def test_mixed(self, others: list[str]) -> None:
        """One internal address among public ones is enough."""
        error = await refusal(an_http(Names(others), allow=None), f"https://{HOST}/")

        assert isinstance(error, RefusedUrlError)

    async def test_other_network(self) -> None:
        """Only what is on the list is let through, not all that is internal."""
        http = an_http(Names([LOOPBACK]), allow="10.0.0.0/8")

        assert isinstance(await refusal(http, f"https://{HOST}/"), RefusedUrlError)

    async def test_rebinding(self) -> None:
        """A name is resolved once; what it leads to a moment later changes nothing."""
        names = Names([LOOPBACK], ["10.0.0.1"])
        async with receiving() as receiver:
            answered = await an_http(names).request("POST", receiver.url())

        assert 200 == answered.status
        assert [(HOST, receiver.port)] == names.asked

    async def test_default_port(self) -> None:
        """A URL without a port means 443."""
        names = Names(["10.0.0.1"])
        await refusal(an_http(names), f"https://{HOST}/")

        assert [(HOST, 443)] == names.asked

    async def test_next_address(self) -> None:
        """An address where nobody listens is not the end if there is another one."""
        async with receiving() as receiver:
            http = an_http(Names(["127.0.0.9", LOOPBACK]))
            answered = await http.request("POST", receiver.url())

        assert 200 == answered.status

    async def test_unknown(self) -> None:
        """A name without addresses cannot be reached; it may be known later."""
        error = await refusal(an_http(Names([])), f"https://{HOST}/{SECRET}")

        assert isinstance(error, UnreachableError)
        assert f"{HOST}: its address is not known; is the name right?" == str(error)

    async def test_no_name_server(self) -> None:
        """A name that nobody can be asked about cannot be reached just now."""

        async def fail(_: str, __: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_AGAIN, SECRET)

        error = await refusal(an_http(fail), f"https://{HOST}/")

        assert isinstance(error, UnreachableError)
        assert SECRET not in str(error)

    async def test_no_name(self) -> None:
        """A host that is no name at all has no address."""
        error = await refusal(
            an_http(SystemResolver()), f"https://{'a' * 64}.example.test/"
        )

        assert isinstance(error, UnreachableError)

    async def test_hanging_name_server(self) -> None:
        """A name server that does not answer is not waited for."""

        async def hang(_: str, __: int) -> Sequence[str]:
            await anyio.sleep_forever()
            return ()

        for limits in (QUICK, Limits(connect_seconds=0.1)):
            error = await refusal(an_http(hang, limits=limits), f"https://{HOST}/")

            assert isinstance(error, UnreachableError)


class TestCertificate:
    """TLS is checked for the name in the URL, though the address is what is dialled."""

    async def test_other_name(self) -> None:
        """A certificate for another name is refused before anything is sent."""
        async with receiving() as receiver:
            error = await refusal(
                an_http(), receiver.url(host="other.example.test", path=f"/{SECRET}")
            )

        assert (
            "other.example.test: its certificate is not valid for this name; correct "
            "it, or have this machine trust who issued it"
        ) == str(error)
        assert isinstance(error, CertificateError)
        assert [] == receiver.received

    async def test_unknown_authority(self) -> None:
        """So is one that this machine does not trust."""
        async with receiving() as receiver:
            error = await refusal(
                OutboundHttp(allowed=(LOOPBACK_NETWORK,), resolve=Names([LOOPBACK])),
                receiver.url(),
            )

        assert isinstance(error, CertificateError)
        assert [] == receiver.received

    async def test_address(self) -> None:
        """A URL with an address needs a certificate for that address."""
        async with receiving() as receiver:
            named = await an_http().request("POST", receiver.url(host=LOOPBACK))
            other = await refusal(
                an_http(Names([LOOPBACK])), receiver.url(host="127.0.0.2")
            )

        assert 200 == named.status
        assert isinstance(other, CertificateError)

    async def test_ours(self) -> None:
        """Who asks for a certificate of ours does not get one, nor an answer from us."""
        async with receiving(wants_certificate=True) as receiver:
            error = await refusal(an_http(), receiver.url())

        assert isinstance(error, NoAnswerError)
        assert [] == receiver.received

    async def test_no_tls(self) -> None:
        """Who does not speak TLS cannot be reached by https."""
        async with receiving(tls=False) as receiver:
            error = await refusal(an_http(limits=QUICK), receiver.url())

        assert isinstance(error, UnreachableError)


class TestLimits:
    """What is slow, endless or broken costs no more than the limits."""

    async def test_refused_connection(self) -> None:
        """Where nobody listens nothing was sent."""
        url = f"https://{HOST}:{free_port()}/{SECRET}"
        error = await refusal(an_http(), url)

        assert isinstance(error, UnreachableError)
        assert f"{HOST}: no connection (ConnectError)" == str(error)

    @pytest.mark.parametrize(
        "answer",
        [
            silence,
            dripping(),
            dripping(b"HTTP/1.1 200 OK\r\nX-Long: "),
            dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        ],
        ids=["silence", "drops", "header", "hints"],
    )
    async def test_too_late(self, answer: Answer) -> None:
        """Without a status in time nobody knows whether it has arrived."""
        async with receiving(answer) as receiver:
            with anyio.fail_after(5):
                error = await refusal(an_http(limits=QUICK), receiver.url(f"/{SECRET}"))

        assert isinstance(error, NoAnswerError)
        assert f"{HOST}: it may have arrived (it took too long)" == str(error)

    @pytest.mark.parametrize(
        "answer",
        [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * (1 << 18)],
        ids=["nothing", "ssh", "header"],
    )
    async def test_broken_answer(self, answer: bytes) -> None:
        """An answer that is none may have been one."""
        async with receiving(answer) as receiver:
            error = await refusal(an_http(), receiver.url(f"/{SECRET}"))

        assert isinstance(error, NoAnswerError)
        assert SECRET not in str(error)

    async def test_slow_rest(self) -> None:
        """A status counts, however long the rest of the answer takes."""
        async with receiving(
            dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
        ) as receiver:
            with anyio.fail_after(5):
                answered = await an_http(limits=QUICK).request("POST", receiver.url())

        assert Answered(status=200) == answered

    async def test_broken_rest(self) -> None:
        """A status counts, also if the rest of the answer never comes."""
        async with receiving(status(204, body=b"half", length=999)) as receiver:
            answered = await an_http().request("POST", receiver.url())

        assert Answered(status=204) == answered

    async def test_huge_rest(self) -> None:
        """Of an endless answer 64 KB are read; then it is cut off."""
        sent = []

        async def flood(stream: anyio.abc.ByteStream) -> None:
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
            while True:
                await stream.send(b"a" * 65_536)
                sent.append(65_536)

        async with receiving(flood) as receiver:
            with anyio.fail_after(5):
                answered = await an_http(limits=Limits(rest_seconds=60)).request(
                    "POST", receiver.url()
                )

        assert Answered(status=200) == answered
        # What the system holds between the two is a few megabytes at most.
        assert sum(sent) < 1 << 24

    async def test_slow_handshake(self) -> None:
        """Who takes the connection and says nothing has got nothing."""
        with socket.create_server((LOOPBACK, 0)) as listener:
            port = listener.getsockname()[1]
            error = await refusal(an_http(limits=QUICK), f"https://{HOST}:{port}/")

        assert isinstance(error, UnreachableError)
