"""The heartbeat: a URL that somebody outside watches for silence."""

from engine.adapters.destinations import OutboundError
from engine.adapters.http import OutboundHttp

SUCCESS = range(200, 300)


class HttpHeartbeat:
    """Asks for a URL; whoever is behind it knows by that that pages go out."""

    def __init__(self, http: OutboundHttp, url: str) -> None:
        self._http = http
        self._url = url

    async def ping(self) -> None:
        """
        Tell them once.

        Raises:
            OutboundError: If they were not reached, or did not answer with a success.
        """
        answered = await self._http.request("GET", self._url)
        if answered.status not in SUCCESS:
            message = f"the heartbeat was answered {answered.status}"
            raise OutboundError(message)
