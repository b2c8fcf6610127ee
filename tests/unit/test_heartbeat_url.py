"""The URL that somebody outside watches for silence."""

from ipaddress import ip_network

import pytest

from engine.adapters.destinations import OutboundError, RefusedUrlError
from engine.adapters.heartbeat import HttpHeartbeat
from engine.adapters.http import OutboundHttp
from tests.support.receiver import OK, receiving, status

HERE = OutboundHttp(allowed=(ip_network("127.0.0.0/8"),))


async def test_asked() -> None:
    """It is asked for once, with nothing but its address."""
    async with receiving(OK, tls=False) as receiver:
        await HttpHeartbeat(HERE, f"http://127.0.0.1:{receiver.port}/beat/1").ping()

    [received] = receiver.received
    assert received.line.startswith("GET /beat/1 ")
    assert b"" == received.body


@pytest.mark.parametrize("code", [302, 404, 500])
async def test_refused(code: int) -> None:
    """An answer that is no success is a failure: it has not been heard."""
    async with receiving(status(code), tls=False) as receiver:
        heartbeat = HttpHeartbeat(HERE, f"http://127.0.0.1:{receiver.port}/secret")
        with pytest.raises(OutboundError, match=str(code)) as raised:
            await heartbeat.ping()

    assert "secret" not in str(raised.value)


async def test_internal() -> None:
    """An internal address has to be allowed like that of a webhook."""
    async with receiving(OK, tls=False) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        with pytest.raises(RefusedUrlError, match="RUNG_WEBHOOK_ALLOW"):
            await HttpHeartbeat(OutboundHttp(), url).ping()

    assert [] == receiver.received
