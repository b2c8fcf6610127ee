"""The machine that figures were measured on: without it they say nothing."""

import os
import platform
from pathlib import Path

from benchmarks.options import Figures

KIBIBYTES_PER_GIBIBYTE = 1 << 20


def machine() -> Figures:
    """Return what is known of this machine, as Linux tells it."""
    return {
        "cpu": _told("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def filesystem_of(directory: Path) -> str:
    """Return the type of the file system that something lies on; of a RAM disk, say."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if directory.resolve().is_relative_to(place):
            best = max(best, (place, kind), key=lambda found: len(found[0]))

    return best[1]


def _memory_gib() -> float | None:
    told = _told("/proc/meminfo", "MemTotal")
    if told is None:
        return None

    return round(int(told.split()[0]) / KIBIBYTES_PER_GIBIBYTE, 1)


def _told(path: str, name: str) -> str | None:
    """Return the first value under a name."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()

    return None
