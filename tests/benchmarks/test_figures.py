"""How figures are summed up, judged and shown."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import BENCHMARKS, app
from benchmarks.machine import filesystem_of, machine
from benchmarks.medians import median_of
from benchmarks.spread import spread
from benchmarks.stage.lines import Lines
from benchmarks.stage.start import LateError, wait_until
from benchmarks.stage.usage import cpu_seconds, resident_mebibytes
from benchmarks.tables import show, show_targets
from benchmarks.targets import at_most, none_of

MEBIBYTE = 1 << 20
A_LONG_TIME_AGO = 1_000.0


def test_spread() -> None:
    """One in a hundred is above p99, half above p50, and none above max."""
    values = [float(number) for number in range(1_000)]

    assert {"count": 1_000, "p50": 499.5, "p99": 989.0, "max": 999.0} == spread(values)


def test_spread_of_few() -> None:
    """Of few p99 is the greatest; of none there is no figure, rather than zero."""
    assert {"count": 2, "p50": 2.0, "p99": 3.0, "max": 3.0} == spread([1, 3])
    assert {"count": 0, "p50": None, "p99": None, "max": None} == spread([])


@pytest.mark.parametrize(
    ("measured", "is_met"),
    [
        pytest.param(24.9, True, id="below"),
        pytest.param(25, True, id="just"),
        pytest.param(25.1, False, id="above"),
        pytest.param(None, False, id="never-came"),
    ],
)
def test_at_most(measured: float | None, *, is_met: bool) -> None:
    """What is not above its target meets it; what was not measured does not."""
    wanted = {"wanted": "≤ 25 ms", "measured": measured, "met": is_met}

    assert wanted == at_most(25, measured, "ms")


def test_none_of() -> None:
    """One that is lost is one too many."""
    assert none_of(0, "page lost")["met"]
    assert not none_of(1, "page lost")["met"]


def test_lost_in_one_run() -> None:
    """What was lost in one run of three is lost, whatever the two others say."""
    runs = [{"targets": {"lost": none_of(lost, "page lost")}} for lost in (0, 1, 0)]
    judged = median_of(runs)["targets"]["lost"]

    assert (1, False) == (judged["measured"], judged["met"])


def test_median() -> None:
    """Of each figure the one in the middle counts, with how it was judged then."""
    runs = [
        {"ms": {"p99": value}, "count": 3, "of": "redis", "targets": {"t": target}}
        for value, target in (
            (1.0, at_most(5, None, "ms")),
            (9.0, at_most(5, 4, "ms")),
            (3.0, at_most(5, 6, "ms")),
        )
    ]

    assert {
        "ms": {"p99": 3.0},
        "count": 3,
        "of": "redis",
        "targets": {"t": {"wanted": "≤ 5 ms", "measured": 6, "met": False}},
    } == median_of(runs)


def test_median_of_what_never_came() -> None:
    """What was not measured is worse than whatever was."""
    assert {"s": 2} == median_of([{"s": None}, {"s": 2}, {"s": 1}])
    assert {"s": None} == median_of([{"s": None}, {"s": 2}, {"s": None}])


def test_lines(tmp_path: Path) -> None:
    """A line is read once it is whole, and only once."""
    lines = Lines(tmp_path / "written", int)
    nothing = list(lines.look())
    lines.path.write_text("1\n2\n3", encoding="utf-8")
    torn = list(lines.look())
    with lines.path.open("a", encoding="utf-8") as opened:
        opened.write("4\n5\n")

    assert [] == nothing
    assert [1, 2] == torn
    assert [1, 2, 34, 5] == lines.look()


def test_cpu() -> None:
    """A process that works takes the time that it says; one that sleeps takes none."""
    text = "import time; u = time.process_time() + 0.3\n{}\nprint(); input()"
    busy = text.format("while time.process_time() < u: pass")
    found = []
    for program in (busy, text.format("")):
        with subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found.append(cpu_seconds(process.pid))
            process.communicate(b"\n")
    worked, slept = found

    assert 0.25 < worked - slept < 0.5


def test_resident() -> None:
    """A process that fills so much memory holds so much more."""
    program = "held = b'x' * {}; print(); input()"
    found = []
    for size in (50 * MEBIBYTE, 1):
        with subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", program.format(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found.append(resident_mebibytes(process.pid))
            process.communicate(b"\n")
    much, little = found

    assert 45 < much - little < 55


def test_machine(tmp_path: Path) -> None:
    """Figures come with the machine that they were measured on."""
    told = machine()

    assert {"cpu", "cores", "memory_gib", "system", "python"} == set(told)
    assert all(told.values())
    assert "unknown" != filesystem_of(tmp_path)


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """A target that is missed is seen, and so is one that was never measured."""
    figures = {
        "name": "burst",
        "1000": {"every_first_page_s": None},
        "targets": {"first page": at_most(4, None, "s"), "late": at_most(2, 1, "s")},
    }
    show(figures)
    shown = capsys.readouterr().out
    show_targets([figures, {"name": "core"}])
    targets = [line.split("│") for line in capsys.readouterr().out.splitlines()]
    rows = [[cell.strip() for cell in line[1:-1]] for line in targets if len(line) > 2]

    assert "1000 · every_first_page_s" in shown
    assert "not measured" in shown
    assert ["burst", "first page", "≤ 4 s", "not measured", "NO"] in rows
    assert ["burst", "late", "≤ 2 s", "1", "yes"] in rows


def test_command() -> None:
    """A benchmark prints one line of JSON, of the median of its runs."""
    arguments = ["counting", "--json", "--runs", "2", "--seconds", "0.1"]
    ran = CliRunner().invoke(app, arguments)
    figures = json.loads(ran.stdout)

    assert 0 == ran.exit_code
    assert "counting" == figures["name"]
    assert 2 == figures["median_of"]
    assert machine() == figures["machine"]
    assert 0 < figures["add_us"] < 1_000


def test_unknown() -> None:
    """A benchmark that is not there is a mistake, and those that are get named."""
    ran = CliRunner().invoke(app, ["speed"])

    assert 2 == ran.exit_code
    assert all(name in ran.stderr for name in BENCHMARKS)


def test_too_slow() -> None:
    """What was not prepared in time is not measured: it would be another thing."""
    with pytest.raises(LateError):
        wait_until(A_LONG_TIME_AGO)
