"""A server for each hazard, and arq as it comes, whatever ran before in this process."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import arq.utils
import arq.worker
import pytest
from redis import Redis

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.servers import RunningServer, found_servers, running_server


@pytest.fixture(autouse=True)
def _arq_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give arq the host's clock; what a test puts in its place goes with the test."""
    monkeypatch.setattr(arq.utils, "time", time.time)
    monkeypatch.setattr(arq.worker, "time", time.time)
    monkeypatch.setattr(arq.worker, "datetime", datetime)


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[RunningServer]:
    """Return the newest server there is, which the test may harm."""
    with running_server(found_servers()[-1], tmp_path, "--appendonly", "yes") as server:
        yield server


@pytest.fixture(name="stage")
def _stage(server: RunningServer, tmp_path: Path) -> Stage:
    """Return a store that was set up, without a worker."""
    stage = Stage(server, tmp_path)
    stage.seed()

    return stage


@pytest.fixture(name="naive")
def _naive(server: RunningServer, tmp_path: Path) -> Iterator[Naive]:
    """Return stock arq on a server, without a worker."""
    with Redis.from_url(server.url, decode_responses=True) as client:
        yield Naive(server, tmp_path, client)
