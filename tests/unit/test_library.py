"""What is shown of files is what rung reads: the demo, the examples, the schema, the docs."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from engine.directory.drafts import mistakes_among
from engine.directory.file_form import KEYS, file_schema
from engine.directory.files import read_files
from policies.loading import load_yaml
from workers.demo import Secrets, demo_directory
from workers.files import read_texts

ROOT = Path(__file__).parent.parent.parent
LIBRARY = ROOT / "policies" / "library"
SCHEMA = ROOT / "docs" / "schemas" / "rung.schema.json"
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
DIRECTORIES = [LIBRARY / "demo", *sorted((LIBRARY / "examples").iterdir())]
FILES = [path for folder in DIRECTORIES for path in sorted(folder.iterdir())]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", CONFIGURATION, re.DOTALL)
BAD = re.findall(r"^\| `(.*)` \| `(.*)` \|$", CONFIGURATION, re.MULTILINE)
# What every example may name, beside what it says itself.
AROUND = """
users: {alice: {name: A}, bob: {name: B}, carol: {name: C}}
schedules: {primary: [alice], secondary: [bob]}
policies: {default: {}, night: {}}
"""


def mistakes(texts: Mapping[str, str]) -> list[str]:
    """Return all that is wrong with some files; the environment has whatever is asked."""
    draft = read_files(texts, lambda name: f"https://hooks.example/{name}")

    return [str(one) for one in (*draft.mistakes, *mistakes_among(draft))]


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_library(directory: Path) -> None:
    """Every directory that is shown can be applied as it is."""
    assert [] == mistakes(read_texts(directory))


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_first_line(path: Path) -> None:
    """The first line leads editors to the schema, and the schema agrees with us."""
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    named = first.removeprefix("# yaml-language-server: $schema=")

    assert SCHEMA == (path.parent / named).resolve()
    assert [] == broken(load_yaml(text).value)


def broken(value: Any) -> list[str]:
    """Return what does not fit the published schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))

    return [one.message for one in validator_for(schema).iter_errors(value)]


def test_schema() -> None:
    """The schema that is published is that of this version: `rung schema` writes it."""
    assert file_schema() == json.loads(SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "polices: {}",
        "users: {alice: {name: A, id: alice}}",
        "users: {alice: {name: A, contact_methods: [{id: a, channel: b, address: {en: X}}]}}",
        "policies: {p: {steps: [{kind: wiat}]}}",
        "policies: {p: {steps: [{targets: [everybody]}]}}",
        "integrations: {a: {name: A, source: generic, key_hash: x}}",
        "integrations: {a: {name: A, source: generic, key: short}}",
        "tokens: {}",
    ],
)
def test_schema_refuses(text: str) -> None:
    """What rung refuses, an editor marks, as far as a schema can say it."""
    assert [] != mistakes({"a.yaml": text})
    assert [] != broken(load_yaml(text).value)


def test_every_kind() -> None:
    """Every key of a file has an example."""
    written = {key for one in EXAMPLES for key in load_yaml(one).value}

    assert set(KEYS) == written


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: str) -> None:
    """Every example is read without mistakes, and fits the schema."""
    written = load_yaml(example).value
    around = {
        kind: {
            name: one
            for name, one in objects.items()
            if name not in written.get(kind, {})
        }
        for kind, objects in load_yaml(AROUND).value.items()
    }

    assert [] == mistakes({"example.yaml": example, "around.yaml": json.dumps(around)})
    assert [] == broken(written)


def test_bad_inputs() -> None:
    """The answers to bad input that are shown are those that are given."""
    assert 10 < len(BAD)
    for written, expected in BAD:
        text = written.replace("⏎", "\n")

        assert [expected] == mistakes({"around.yaml": AROUND, "x.yaml": text})


def test_demo_wakes_nobody() -> None:
    """All that the demo can reach is the console."""
    directory = demo_directory(Secrets(api_token="t" * 20, ingest_key="k" * 20))
    channels = {
        method.channel
        for user in directory.users.values()
        for method in user.contact_methods
    }

    assert {"console"} == channels
    assert {} == directory.places
    assert {} == directory.origins
