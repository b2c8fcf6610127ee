"""What is said at the start, and what does not keep a rung from working."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.support.journeys import Installed, until_accepted
from tests.support.processes import AN_ALERT, PATIENCE_SECONDS, eventually, running_rung

NOWHERE = "redis://127.0.0.1:1"


def told(output: Path, **environment: str) -> list[dict[str, object]]:
    """Return what a worker says before it waits for Redis."""
    with running_rung(output, "worker", REDIS_URL=NOWHERE, **environment) as rung:
        rung.wait_for('"store.unavailable"')
        lines = rung.text().splitlines()

    return [line for line in map(orjson.loads, lines) if line["level"] != "info"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "there is no such file"),
        ("schedules:\n  primary: alice", ":2: 'primary' is not a list"),
    ],
)
def test_file_refused(tmp_path: Path, text: str | None, expected: str) -> None:
    """A file of who is on call that cannot be used is told at the start, with its line."""
    file = tmp_path / "on_call.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    first, *_ = told(tmp_path / "output", RUNG_ON_CALL_FILE=str(file))

    assert ("schedule_file.refused", "error") == (first["event"], first["level"])
    assert f"{file}{expected}" in str(first["error"]).replace(": there", "there")


def test_good_file(tmp_path: Path) -> None:
    """One that can be used is not worth a word."""
    file = tmp_path / "on_call.yaml"
    file.write_text("schedules: {primary: [alice]}", encoding="utf-8")

    lines = told(tmp_path / "output", RUNG_ON_CALL_FILE=str(file))

    assert "schedule_file.refused" not in {line["event"] for line in lines}


def test_misspelt(tmp_path: Path) -> None:
    """A setting that is none is named, and its value is not."""
    first, *_ = told(tmp_path / "output", RUNG_ON_CALL_FIEL="a-secret")

    assert ("setting.unknown", "RUNG_ON_CALL_FIEL") == (first["event"], first["name"])
    assert "a-secret" not in (tmp_path / "output").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_disk(tmp_path: Path) -> None:
    """With nowhere to write to it takes alerts in and decides them; it ends in order."""
    rung = Installed(tmp_path)
    with (
        Path("/dev/full").open("wb") as full,
        (tmp_path / "errors").open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "rung", "up"],
            env=os.environ
            | {
                "RUNG_DATA_DIR": str(rung.data),
                "PORT": str(rung.port),
                "REDIS_URL": "",
            },
            stdout=full,
            stderr=errors,
        ) as process,
    ):
        try:
            until_accepted(lambda: httpx2.get(f"{rung.address}/readyz"))
            until_accepted(lambda: httpx2.post(rung.ingest, json=AN_ALERT))
            eventually(lambda: "paged" in reasons(rung))
        finally:
            process.terminate()
            code = process.wait(timeout=PATIENCE_SECONDS)

    assert 0 == code
    assert "" == (tmp_path / "errors").read_text(encoding="utf-8")


def reasons(rung: Installed) -> list[str]:
    """Return the reasons in the timelines of all incidents."""
    return [
        entry["reason"]
        for incident in rung.ask("GET", "/v1/incidents")["incidents"]
        for entry in rung.ask("GET", f"/v1/incidents/{incident['id']}/timeline")[
            "entries"
        ]
    ]
