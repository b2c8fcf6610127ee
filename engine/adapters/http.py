"""
Outbound HTTP: one request to a URL that somebody wrote into the directory.

The URL is not trusted, nor is what it leads to. The name is resolved once, every
address it has is judged, and the connection goes to an address that was judged, so
that a second answer of the name server changes nothing. The certificate is checked
for the name all the same.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any

import anyio
import httpx2

from engine.adapters.destinations import (
    CertificateError,
    NoAnswerError,
    OutboundError,
    UnreachableError,
    host_of,
    judge,
    port_of,
    read_url,
)
from engine.adapters.networks import Address, Network
from engine.adapters.resolver import Resolve, SystemResolver

# A name with more addresses is tried at the first ones.
ADDRESSES_MAX = 3
# From here on the other side may have got the request.
LEAVES = "http11.send_request_headers.started"
# TLS may also fail once it is up, as when a certificate of ours is asked for.
BROKEN = (httpx2.TransportError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """
    How a request was answered.

    Attributes:
        retry_after: What the header of that name says, as it came.
    """

    status: int
    retry_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    How much one request may take.

    Attributes:
        connect_seconds: To resolve the name; again to connect, and to shake hands.
        total_seconds: From the name to the status.
        rest_seconds: For the rest of the answer, once its status is known.
        rest_bytes: Of the rest of the answer; nobody looks at it.
    """

    connect_seconds: float = 5.0
    total_seconds: float = 10.0
    rest_seconds: float = 1.0
    rest_bytes: int = 64 << 10


@dataclass(slots=True, kw_only=True, repr=False)
class _Call:
    """One request under way: what it is, and how far it came."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str]
    body: bytes
    has_left: bool = False
    answered: Answered | None = None

    @property
    def host(self) -> str:
        return host_of(self.url)

    def request_to(self, address: Address, connect_seconds: float) -> httpx2.Request:
        """Return the request to one address, still in the name of the host."""
        timeout = httpx2.Timeout(None, connect=connect_seconds)

        return httpx2.Request(
            self.method,
            self.url.copy_with(host=str(address)),
            # A body that came packed could be far larger than it looks.
            headers={"Accept-Encoding": "identity", "User-Agent": "rung"}
            | dict(self.headers)
            | {"Host": self.url.netloc.decode("ascii")},
            content=self.body,
            extensions={
                "sni_hostname": self.host,
                "timeout": timeout.as_dict(),
                "trace": self._note,
            },
        )

    def ended_by(self, error: Exception | None = None) -> OutboundError:
        """Return what to raise; without an error the time was over."""
        why = type(error).__name__ if error else "it took too long"
        if self.has_left:
            return NoAnswerError(f"{self.host}: it may have arrived ({why})")
        if _is_of_certificate(error):
            return CertificateError(
                f"{self.host}: its certificate is not valid for this name; "
                "correct it, or have this machine trust who issued it"
            )

        return UnreachableError(f"{self.host}: no connection ({why})")

    async def _note(self, event: str, _: Mapping[str, Any]) -> None:
        self.has_left = self.has_left or event == LEAVES


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundHttp:
    """
    Sends requests, each over a connection of its own.

    A kept connection would be known by its address alone, and another name with that
    address could use it without its certificate being checked. Redirects are not
    followed; the environment is not asked for proxies or anything else.

    Attributes:
        allowed: Internal networks that may be asked, also without TLS, on any port.
    """

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = field(default_factory=SystemResolver)
    ssl_context: ssl.SSLContext = field(
        default_factory=partial(httpx2.create_ssl_context, trust_env=False)
    )
    limits: Limits = field(default_factory=Limits)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answered:
        """
        Send one request; return how it was answered, whatever the status is.

        Raises:
            RefusedUrlError: If it may not be sent there.
            CertificateError: If it is not who the URL names that listens there.
            UnreachableError: If nothing was sent.
            NoAnswerError: If it may have arrived, and nobody said so.
        """
        call = _Call(method=method, url=read_url(url), headers=headers or {}, body=body)
        with anyio.move_on_after(self.limits.total_seconds):
            await self._carry_out(call)
        if call.answered is None:
            raise call.ended_by()

        return call.answered

    async def _carry_out(self, call: _Call) -> None:
        """Ask the first address that can be reached; fill in the answer."""
        addresses = (await self._judged_addresses(call))[:ADDRESSES_MAX]
        for left in reversed(range(len(addresses))):
            try:
                await self._ask(call, addresses[-left - 1], len(addresses))
            except UnreachableError:
                if not left:
                    raise
            else:
                return

    async def _ask(self, call: _Call, address: Address, shares: int) -> None:
        request = call.request_to(address, self._connect_seconds() / shares)
        async with httpx2.AsyncHTTPTransport(
            verify=self.ssl_context, trust_env=False
        ) as transport:
            try:
                response = await transport.handle_async_request(request)
            except BROKEN as error:
                raise call.ended_by(error) from None
            call.answered = Answered(
                status=response.status_code,
                retry_after=response.headers.get("Retry-After", ""),
            )
            try:
                await self._read_rest(response)
            finally:
                await response.aclose()

    def _connect_seconds(self) -> float:
        """
        Return the limit for the connection, and again for the handshake on it.

        It comes before that of the whole request: a handshake that is cancelled
        leaves its connection open until somebody collects the garbage.
        """
        left = anyio.current_effective_deadline() - anyio.current_time()

        return min(self.limits.connect_seconds, left / 2)

    async def _read_rest(self, response: httpx2.Response) -> None:
        """Let the other side finish; what it says beside the status is moot."""
        left = self.limits.rest_bytes
        with anyio.move_on_after(self.limits.rest_seconds):
            try:
                async for part in response.aiter_raw():
                    left -= len(part)
                    if left <= 0:
                        return
            except BROKEN:
                return

    async def _judged_addresses(self, call: _Call) -> Sequence[Address]:
        """
        Resolve the name and judge every address it has.

        One that may not be asked is enough to refuse them all: whoever names both a
        public and an internal address means the internal one.
        """
        try:
            with anyio.fail_after(self.limits.connect_seconds):
                texts = await self.resolve(call.host, port_of(call.url))
        except (OSError, UnicodeError):
            texts = ()
        if not texts:
            message = f"{call.host}: its address is not known; is the name right?"
            raise UnreachableError(message)
        addresses = tuple(ip_address(text) for text in texts)
        for address in addresses:
            judge(call.url, address, self.allowed)

        return addresses


def _is_of_certificate(error: BaseException | None) -> bool:
    """Whether an error goes back to a certificate; libraries wrap what they catch."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__

    return error is not None
