"""The first start: the demo, and the two secrets that open the doors."""

import stat
from pathlib import Path

import pytest

from engine.adapters.memory import MemoryConfiguration
from engine.directory import Scope
from engine.directory.checks import Checks
from workers.demo import SecretsError, demo_directory, first_start, read_secrets

ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture
def kept() -> MemoryConfiguration:
    """Return an empty store's configuration."""
    return MemoryConfiguration()


async def test_first_start(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """An empty store gets the demo, and its doors open with what lies in the files."""
    lines = await first_start(kept, tmp_path / "data", ADDRESS)
    token = (tmp_path / "data" / "api_token").read_text().strip()
    key = (tmp_path / "data" / "ingest_key").read_text().strip()
    opened = kept.directory.token_for(token)

    assert opened is not None
    assert (Scope.ADMIN,) == opened.scopes
    assert kept.directory.integration_for("alertmanager", key) is not None
    assert any("curl" in line and "ingest_key" in line for line in lines)
    assert not any(token in line or key in line for line in lines)


async def test_only_hashes(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """What is stored holds neither secret."""
    await first_start(kept, tmp_path, ADDRESS)
    stored = kept.directory.model_dump_json()

    assert (tmp_path / "api_token").read_text().strip() not in stored
    assert (tmp_path / "ingest_key").read_text().strip() not in stored


async def test_owner_only(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """Only their owner can read the files, and nothing else is left beside them."""
    await first_start(kept, tmp_path / "data", ADDRESS)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "data").iterdir()
    }

    assert {"api_token": 0o600, "ingest_key": 0o600} == modes


async def test_second_start(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """The secrets are made once, and the demo is loaded once."""
    await first_start(kept, tmp_path, ADDRESS)
    before = (kept.directory, read_secrets(tmp_path))
    await first_start(kept, tmp_path, ADDRESS)

    assert before == (kept.directory, read_secrets(tmp_path))


async def test_files_lost(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """Files that are gone are not made anew: they would open nothing. It is said."""
    await first_start(kept, tmp_path / "first", ADDRESS)
    lines = await first_start(kept, tmp_path / "second", ADDRESS)

    assert not (tmp_path / "second").exists()
    assert any(
        "api_token and ingest_key in" in line and "not there" in line for line in lines
    )
    assert any("RUNG_DATA_DIR" in line for line in lines)


async def test_files_of_another_store(tmp_path: Path) -> None:
    """Files that belong to another store are not shown as if they opened this one."""
    kept, other = MemoryConfiguration(), MemoryConfiguration()
    await first_start(kept, tmp_path / "first", ADDRESS)
    await first_start(other, tmp_path / "second", ADDRESS)
    lines = await first_start(kept, tmp_path / "second", ADDRESS)

    assert any("of another store" in line for line in lines)


CONSOLE = frozenset({"console"})


async def test_empty_file(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """An empty file is no secret."""
    (tmp_path / "api_token").write_text("\n")

    with pytest.raises(SecretsError, match="api_token is empty"):
        await first_start(kept, tmp_path, ADDRESS)


async def test_no_text(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """A file that holds something else is named, and left as it is."""
    (tmp_path / "api_token").write_bytes(b"\xff\x00 no secret")

    with pytest.raises(SecretsError, match="api_token holds no secret"):
        await first_start(kept, tmp_path, ADDRESS)


async def test_open_to_others(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """A secret that others could read is closed to them."""
    path = tmp_path / "ingest_key"
    path.write_text("a-secret-of-somebody\n")
    path.chmod(0o644)
    await first_start(kept, tmp_path, ADDRESS)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_unreadable(kept: MemoryConfiguration, tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    (tmp_path / "api_token").mkdir()

    with pytest.raises(SecretsError, match="api_token: Is a directory"):
        await first_start(kept, tmp_path, ADDRESS)


def test_demo_reaches(tmp_path: Path) -> None:
    """Everybody the demo's policy names can be reached."""
    directory = demo_directory(read_secrets(tmp_path))
    named = [person for people in directory.on_call.values() for person in people]

    assert directory.policies["default"].can_page
    assert all(directory.rules_for(person, "high", CONSOLE) for person in named)


def test_demo_catches_all(tmp_path: Path) -> None:
    """The demo names a catch-all policy that it has: what nobody answers pages again."""
    directory = demo_directory(read_secrets(tmp_path))

    assert "default" == directory.catch_all
    assert [] == Checks(directory=directory).problems_of_settings()
