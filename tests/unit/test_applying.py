"""Putting what files say in the place of what is stored: all of it, or nothing."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from engine.adapters.memory import MemoryConfiguration
from engine.directory import Directory, User, hash_secret
from engine.directory.files import Draft, read_files
from engine.directory.plan import Plan
from engine.errors import ConfigurationContendedError
from workers.applying import (
    TRIES_MAX,
    MistakesError,
    Rules,
    apply_files,
)
from workers.demo import Secrets, demo_directory, demo_texts, with_api_token
from workers.files import ENTRIES_MAX, FILE_BYTES_MAX, FilesError, read_texts

DEMO = demo_texts()
SECRETS = Secrets(api_token="t" * 20, ingest_key="k" * 20)


def a_draft(**texts: str) -> Draft:
    """Read some files; without any the demo's."""
    named = {f"{name}.yaml": text for name, text in texts.items()}

    return read_files(named or DEMO, lambda _name: None)


class Racing(MemoryConfiguration):
    """A store that somebody else changes just before each of the first changes."""

    def __init__(self, directory: Directory, times: int) -> None:
        super().__init__(directory)
        self.left = times

    @override
    async def change(self, before: Directory, after: Directory) -> bool:
        """Change it, unless somebody else is faster."""
        if self.left:
            self.left -= 1
            name = f"user-{self.left}"
            users = {**self.directory.users, name: User(id=name, name=name)}
            self.put(self.directory.model_copy(update={"users": users}))

        return await super().change(before, after)


async def test_demo_twice(tmp_path: Path) -> None:
    """The demo applied twice changes nothing the second time: not even the version."""
    kept, rules = MemoryConfiguration(), Rules(data_directory=tmp_path)
    first = await apply_files(kept, a_draft(), rules)
    before = kept.directory
    second = await apply_files(kept, a_draft(), rules)

    assert first.plan.changes
    assert () == second.plan.changes
    assert before == kept.directory
    assert {} == second.keys


async def test_demo_over_the_demo(tmp_path: Path) -> None:
    """Over the demo that `rung up` has loaded it changes nothing, and owns nothing."""
    loaded = demo_directory(SECRETS)
    kept = MemoryConfiguration(loaded)
    await apply_files(kept, a_draft(), Rules(data_directory=tmp_path))

    assert loaded == kept.directory
    assert {} == kept.directory.origins


async def test_key(tmp_path: Path) -> None:
    """An integration without a key gets one, once, in a file for its owner only."""
    kept, rules = MemoryConfiguration(), Rules(data_directory=tmp_path / "data")
    applied = await apply_files(kept, a_draft(), rules)
    path = tmp_path / "data" / "keys" / "alertmanager"
    key = path.read_text().strip()

    assert {"alertmanager": path} == applied.keys
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert hash_secret(key) == kept.directory.integrations["alertmanager"].key_hash
    assert key not in kept.directory.model_dump_json()
    assert key not in repr(applied)


async def test_mistakes(tmp_path: Path) -> None:
    """With a mistake nothing is stored, and no key is made."""
    kept = MemoryConfiguration(Directory(version=3))
    text = DEMO["policies.yaml"].replace("schedule:primary", "schedule:prmary")
    draft = read_files(DEMO | {"policies.yaml": text}, lambda _name: None)

    with pytest.raises(MistakesError, match="did you mean 'primary'"):
        await apply_files(kept, draft, Rules(data_directory=tmp_path))

    assert Directory(version=3) == kept.directory
    assert [] == list(tmp_path.iterdir())


async def test_names_of_the_api(tmp_path: Path) -> None:
    """What files name may have been made through the API."""
    kept = MemoryConfiguration(Directory(users={"zoe": User(id="zoe", name="Zoe")}))
    draft = a_draft(a="schedules: {night: [zoe]}")
    await apply_files(kept, draft, Rules(data_directory=tmp_path))

    assert ("zoe",) == kept.directory.on_call["night"]


async def test_schedules_elsewhere(tmp_path: Path) -> None:
    """Where a file says who is on call, no schedule is called unknown."""
    step = '{kind: notify, targets: ["schedule:night"]}'
    draft = a_draft(a=f"policies: {{p: {{steps: [{step}]}}}}")
    kept = MemoryConfiguration()
    await apply_files(kept, draft, Rules(data_directory=tmp_path, has_schedules=False))

    assert "p" in kept.directory.policies


async def test_not_wanted(tmp_path: Path) -> None:
    """Whoever does not want it has nothing stored, and no key made."""
    kept = MemoryConfiguration()
    applied = await apply_files(
        kept, a_draft(), Rules(data_directory=tmp_path), lambda _plan: False
    )

    assert not applied.is_done
    assert Directory() == kept.directory
    assert [] == list(tmp_path.iterdir())


async def test_changed_meanwhile(tmp_path: Path) -> None:
    """After a change by somebody else it is planned again, and asked again."""
    kept = Racing(Directory(version=1), times=2)
    asked: list[Plan] = []

    def is_wanted(made: Plan) -> bool:
        asked.append(made)
        return True

    await apply_files(kept, a_draft(), Rules(data_directory=tmp_path), is_wanted)

    assert 3 == len(asked)
    assert {"user-1", "user-0", "alice", "bob", "carol"} == kept.directory.users.keys()


async def test_a_fight(tmp_path: Path) -> None:
    """It is not tried for ever."""
    kept = Racing(Directory(version=1), times=TRIES_MAX)

    with pytest.raises(ConfigurationContendedError, match="5 times in a row"):
        await apply_files(kept, a_draft(), Rules(data_directory=tmp_path))


async def test_token(tmp_path: Path) -> None:
    """A store that no token opens gets one in the same change; one that has some, none."""
    kept, rules = MemoryConfiguration(), Rules(data_directory=tmp_path)
    await apply_files(
        kept, a_draft(), rules, also=lambda one: with_api_token(one, tmp_path)
    )
    token = (tmp_path / "api_token").read_text().strip()
    before = kept.directory
    other = tmp_path / "other"
    await apply_files(
        kept, a_draft(), rules, also=lambda one: with_api_token(one, other)
    )

    assert before.token_for(token) is not None
    assert before == kept.directory
    assert not other.exists()


def test_read_texts(tmp_path: Path) -> None:
    """YAML files are read at any depth; hidden ones and others are left out."""
    for name in ("a.yaml", "sub/deep/b.yml", ".hidden.yaml", ".git/c.yaml", "d.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")

    assert {"a.yaml": "# a.yaml", "sub/deep/b.yml": "# sub/deep/b.yml"} == read_texts(
        tmp_path
    )


def test_linked(tmp_path: Path) -> None:
    """Files behind links count, as a mounted ConfigMap has them."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text("users:")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")

    assert {"a.yaml": "users:"} == read_texts(tmp_path)


def _nothing(_directory: Path) -> None:
    """Leave it empty."""


def _latin(directory: Path) -> None:
    (directory / "a.yaml").write_bytes(b"a: b\nname: J\xfcrgen")


def _large(directory: Path) -> None:
    (directory / "a.yaml").write_bytes(b"#" * (FILE_BYTES_MAX + 1))


def _much(directory: Path) -> None:
    for number in range(5):
        (directory / f"{number}.yaml").write_bytes(b"#" * FILE_BYTES_MAX)


def _many(directory: Path) -> None:
    for number in range(501):
        (directory / f"{number:03}.yaml").touch()


def _entries(directory: Path) -> None:
    for number in range(ENTRIES_MAX + 1):
        (directory / f"{number}").touch()


def _dangling(directory: Path) -> None:
    (directory / "a.yaml").symlink_to("gone.yaml")


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (_nothing, ": no YAML files in it (*.yaml, *.yml): is it the right one?"),
        (_latin, "/a.yaml:2: is not UTF-8: save it as UTF-8"),
        (_large, "/a.yaml: is larger than 1 MiB: split it"),
        (_much, "/4.yaml: all files have more than 4 MiB: too much"),
        (_many, ": more than 500 YAML files: put some into one"),
        (_entries, ": more than 10000 files: is it the right one?"),
        (
            _dangling,
            "/a.yaml: No such file or directory: make it readable, or move it away",
        ),
    ],
)
def test_unusable(
    prepare: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    """A directory that cannot be read is named, with what to do."""
    prepare(tmp_path)

    with pytest.raises(FilesError) as caught:
        read_texts(tmp_path)

    assert f"{tmp_path}{expected}" == str(caught.value)


def test_no_directory(tmp_path: Path) -> None:
    """What is no directory is told from what is not there."""
    (tmp_path / "file").touch()

    with pytest.raises(FilesError, match="gone: there is no such directory: name one"):
        read_texts(tmp_path / "gone")
    with pytest.raises(FilesError, match="file: is no directory: name one"):
        read_texts(tmp_path / "file")
