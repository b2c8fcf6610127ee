"""What a process has used, as Linux tells it by the process id."""

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1 << 20
# Of /proc/PID/stat, after the name in brackets: utime and stime.
USER, SYSTEM = 11, 12


def cpu_seconds(pid: int) -> float:
    """Return the time that all threads of a process have spent on a core so far."""
    told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    # A name may hold blanks and brackets: what counts follows the last one.
    fields = told.rpartition(")")[2].split()

    return (int(fields[USER]) + int(fields[SYSTEM])) / TICKS_PER_SECOND


def resident_mebibytes(pid: int) -> float:
    """Return what a process holds of the memory now, shared libraries included."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])

    return round(pages * PAGE_BYTES / MEBIBYTE, 1)
