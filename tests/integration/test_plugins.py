"""The examples of the documentation, in a rung of their own: a page through both."""

import os
from pathlib import Path

import httpx2
import pytest

from engine.directory import ContactMethod, Directory, User
from tests.support.distributions import install, install_example
from tests.support.journeys import Installed, seed, until_accepted
from tests.support.processes import AN_ALERT, eventually, running_rung
from workers.demo import demo_directory, read_secrets

PHONE = "+4917012345678"
ROTAS = '{"primary": ["erin"]}'

# Longer than a step waits for a lookup that asks nobody.
SLOW = """
import anyio
from rung.oncall import OnCall, OnCallReason

class Slow:
    def __init__(self, environment):
        pass

    async def who(self, target, at):
        await anyio.sleep(1.5)
        return OnCall(people=("carol",), reason=OnCallReason.EVENT, source="slow")
"""


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Path:
    """Return a directory to install into."""
    site = tmp_path / "site"
    site.mkdir()

    return site


def searched(site: Path) -> str:
    """Return the search path of a process that finds what was installed."""
    return os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(":")


def with_a_phone(directory: Directory) -> Directory:
    """Return the demo with one more person, who has nothing but a phone."""
    method = ContactMethod(id="erin-sms", channel="sms", address=PHONE)
    erin = User(id="erin", name="Erin", contact_methods=(method,))
    high = directory.urgencies["high"].model_copy(update={"channels": ("sms",)})

    return directory.model_copy(
        update={
            "users": {**directory.users, "erin": erin},
            "urgencies": {**directory.urgencies, "high": high},
        }
    )


def test_examples(tmp_path: Path, site: Path) -> None:
    """The lookup says who is paged, and the channel takes the page to them."""
    for name in ("weekly", "spool"):
        install_example(site, name)
    (tmp_path / "sms").mkdir()
    rung = Installed(tmp_path)
    seed(rung.data, with_a_phone(demo_directory(read_secrets(rung.data))))
    with rung.start(
        PYTHONPATH=searched(site),
        RUNG_ON_CALL="weekly",
        WEEKLY_ROTAS=ROTAS,
        SMS_DIRECTORY=str(tmp_path / "sms"),
    ) as process:
        process.wait_until_ready()
        until_accepted(lambda: httpx2.post(rung.ingest, json=AN_ALERT))
        eventually(lambda: any((tmp_path / "sms").glob("[!.]*")))
        [message] = (tmp_path / "sms").glob("[!.]*")
        loaded = process.wait_for(r'"plugin.loaded".*?"distribution":"([^"]+)"', 2)

        assert f"To: {PHONE}\n\nDiskFull\n" == message.read_text(encoding="utf-8")
        assert {"rung-weekly 1.0", "rung-spool 1.0"} == set(loaded)
        assert 0 == process.end()


def test_slow(tmp_path: Path, site: Path) -> None:
    """A lookup that asks elsewhere may take its time: a step waits for the answer."""
    install(site, "rung-slow", {"rung.oncall": {"slow": "slow:Slow"}}, slow=SLOW)
    rung = Installed(tmp_path)
    with rung.start(PYTHONPATH=searched(site), RUNG_ON_CALL="slow") as process:
        process.wait_until_ready()
        until_accepted(lambda: httpx2.post(rung.ingest, json=AN_ALERT))
        process.wait_for("PAGE  carol")

        assert "look_up.failed" not in process.text()


@pytest.mark.parametrize("command", ["up", "web", "worker"])
def test_broken(tmp_path: Path, site: Path, command: str) -> None:
    """A channel that cannot be had ends every process, with one line, before it works."""
    install(site, "rung-pager", {"rung.channels": {"pager": "rung_pager:Pager"}})
    address = {} if command == "up" else {"REDIS_URL": "redis://127.0.0.1:1"}
    with running_rung(
        tmp_path / "output",
        command,
        RUNG_DATA_DIR=str(tmp_path / "data"),
        PYTHONPATH=searched(site),
        **address,
    ) as rung:
        code = rung.process.wait(timeout=30)

    assert 3 == code
    assert (
        "channel 'pager' of rung-pager 1.0: cannot be imported: ModuleNotFoundError: "
        "No module named 'rung_pager'; correct that, or uninstall it\n" == rung.text()
    )
