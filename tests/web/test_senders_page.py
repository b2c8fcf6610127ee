"""What docs/senders.md shows of senders is what they meet."""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ruamel.yaml import YAML

from engine.core.alerts import AlertStatus
from tests.web.fakes import ADMIN_SECRET, World
from tests.web.senders import KEYS, with_all_senders
from workers.web.context import BODY_BYTES_MAX
from workers.web.ingest import generic, grafana, pagerduty
from workers.web.ingest.addresses import SENDERS, path_of
from workers.web.ingest.pagerduty_events import LABELS
from workers.web.ingest.texts import FIRING, RESOLVED, status_of

PAGE = (Path(__file__).parents[2] / "docs" / "senders.md").read_text(encoding="utf-8")
HOST = "https://rung.example.com"
COMMANDS = [
    command
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for command in re.findall(r"^curl [^\n]*(?:\n  [^\n]*)*", block, re.MULTILINE)
]
POSTS = [command for command in COMMANDS if " -d " in command]
TITLE = "Disk of db1 is full"


@pytest.fixture(autouse=True)
def _directory(world: World) -> None:
    world.configuration.directory = with_all_senders()


def request_of(command: str) -> tuple[str, dict[str, str], str]:
    """Read a line of curl as a shell and curl do: path, headers, body."""
    source = re.search(r"/ingest/(\w+)/", command)
    key = KEYS[source[1] if source else "pagerduty"]
    told = command.partition("  # ")[0].replace("$KEY", key)
    _, *words = shlex.split(told.replace("$TOKEN", ADMIN_SECRET), comments=True)
    [address] = [word for word in words if word.startswith(HOST)]
    pairs = list(pairwise(words))
    headers = dict(value.split(": ") for name, value in pairs if name == "-H")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "&".join(value for name, value in pairs if name == "-d")

    return address.removeprefix(HOST), {**form, **headers}, body


@pytest.mark.parametrize("command", POSTS)
async def test_posts(client: httpx2.AsyncClient, world: World, command: str) -> None:
    """Each line of curl is accepted, and all that it says is read."""
    path, headers, body = request_of(command)
    answer = await client.post(path, headers=headers, content=body.encode())
    [routed] = world.engine.received

    assert 202 == answer.status_code
    assert routed.alert.title in {TITLE, "DiskFull"}
    assert () == routed.alert.unread


async def test_ends_what_began(client: httpx2.AsyncClient, world: World) -> None:
    """The form ends what the JSON above it began."""
    for command in POSTS[-2:]:
        path, headers, body = request_of(command)
        await client.post(path, headers=headers, content=body.encode())
    began, ended = world.engine.received

    assert (began.key, AlertStatus.RESOLVED) == (ended.key, ended.alert.status)


async def test_list(client: httpx2.AsyncClient) -> None:
    """The line that lists what was rejected does."""
    [command] = [one for one in COMMANDS if one not in POSTS]
    path, headers, _ = request_of(command)
    answer = await client.get(path, headers=headers)

    assert (200, {"rejected_events": []}) == (answer.status_code, answer.json())


def test_configurations() -> None:
    """What Alertmanager is told leads to addresses that there are."""
    found: list[dict[str, Any]] = [
        YAML(typ="safe", pure=True).load(text)
        for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    ]
    addresses = [
        config["url"].removeprefix(HOST).partition("<")[0]
        for example in found
        for receiver in example["receivers"]
        for configs in list(receiver.values())[1:]
        for config in configs
    ]

    assert [
        "/ingest/alertmanager/",
        "/ingest/alertmanager/",
        "/v2/enqueue",
    ] == addresses


def test_sources() -> None:
    """Every source is in the table, and no other."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `POST ([^`]+)` \|", PAGE, re.MULTILINE))
    expected = {source: f"/ingest/{source}/{{key}}" for source in SENDERS}

    assert {**expected, pagerduty.SOURCE: "/v2/enqueue"} == rows


def named_in(heading: str) -> set[str]:
    """Return what the table of a section has in its first column."""
    [section] = re.findall(rf"## {heading}\n(.*?)\n## ", PAGE, re.DOTALL)
    cells = re.findall(r"^\| ([^|]*`[^|]*) \|", section, re.MULTILINE)

    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


def test_fields() -> None:
    """Every field that is read has its row."""
    labels = {f"payload.{name}" for name in LABELS}

    assert generic.KNOWN == named_in("Anything else")
    assert labels < named_in("PagerDuty")
    assert set(grafana.LINKS) < named_in("Grafana")


def test_states() -> None:
    """Every word for a state is on the page, and means what it says there."""
    [ends, fires] = re.findall(r"^\| (clear.*) \| (active.*), and", PAGE, re.MULTILINE)[
        0
    ]

    assert RESOLVED == set(ends.split(", "))
    assert FIRING == {word.replace(" ", "") for word in fires.split(", ")}
    assert {AlertStatus.RESOLVED} == {status_of(word) for word in ends.split(", ")}
    assert {AlertStatus.FIRING} == {status_of(word) for word in fires.split(", ")}


def test_limit() -> None:
    """The limit that is named is the one there is."""
    assert 1 << 20 == BODY_BYTES_MAX
    assert "`RUNG_BODY_BYTES_MAX`, 1 MiB" in PAGE


@pytest.mark.parametrize("source", sorted(KEYS))
def test_address_of_a_new_integration(source: str) -> None:
    """Who makes an integration is told the address that the page names."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `POST ([^`]+)` \|", PAGE, re.MULTILINE))

    assert rows[source].replace("{key}", "secret") == path_of(source, "secret")
