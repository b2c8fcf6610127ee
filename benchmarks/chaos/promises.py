"""What one alert's way has to come to, whoever dies on it."""

import re
from collections import Counter
from collections.abc import Iterator

from benchmarks.chaos.way import Line, Walked
from benchmarks.chaos.way_configured import PEOPLE
from tests.support.dying_process import IN_FLIGHT

REPORT = "delivery_reported"
# A look-up that a process died with is asked again at its deadline; an acknowledgement
# whose answer was lost is given again, and changes nothing.
GIVEN_AGAIN = {"look_up_timed_out", "not_applicable"}
# The leases, a look-up's deadline and the sweep; and others on the same two cores.
LATER_SECONDS_MAX = 15.0
TROUBLE = re.compile(r'(?m)^Traceback.*|^.*"level":"(?:error|critical)".*')
# arq's own connection, cut off in a WATCH when its worker is told to end: both go.
OF_ARQ = '"event":"Unclosed Pipeline client'


def broken_promises(plain: Walked, walked: Walked) -> list[str]:
    """
    Say what is not as it was without a crash.

    Compared are the pages, by person and key; the state, by status and who took it; and
    the history: all but the delivery reports in its order, these in any, for a send
    that was in flight is reported when it comes again. Its times are not compared, nor
    how often a look-up timed out or an acknowledgement was given again.
    """
    return [
        *_lost(walked),
        *_doubled(walked),
        *_after_the_end(walked),
        *(f"{one} is left" for one in walked.left),
        *_ended_elsewhere(plain, walked),
        *_told_otherwise(plain, walked),
        *_trouble(walked),
        *_later(plain, walked),
    ]


def in_flight(walked: Walked) -> set[str]:
    """Return the keys of what was in flight when a process died."""
    return {
        key for text in walked.outputs.values() for key in re.findall(IN_FLIGHT, text)
    }


def came_again(walked: Walked) -> int:
    """Count the pages that came more than once."""
    return len(walked.pages) - len({page.key for page in walked.pages})


def _lost(walked: Walked) -> Iterator[str]:
    paged = {page.person for page in walked.pages}
    for person in PEOPLE:
        if person not in paged:
            yield f"{person} was not paged"


def _doubled(walked: Walked) -> Iterator[str]:
    may_come_again = in_flight(walked)
    keys = {page.key: page.person for page in walked.pages}
    counts = Counter(page.key for page in walked.pages)
    for key, count in counts.items():
        is_in_flight = any(one.startswith(key) for one in may_come_again)
        if count > 1 + is_in_flight:
            yield f"{keys[key]} was paged {count} times with {key}"
    for person, count in Counter(keys.values()).items():
        if count > 1:
            yield f"{person} had {count} pages"


def _after_the_end(walked: Walked) -> Iterator[str]:
    for page in walked.pages[walked.before :]:
        yield f"{page.person} was paged after the acknowledgement"


def _ended_elsewhere(plain: Walked, walked: Walked) -> Iterator[str]:
    wanted = (plain.status, plain.acknowledged_by)
    found = (walked.status, walked.acknowledged_by)
    if wanted != found:
        yield f"it ended {found}, not {wanted}"


def _told_otherwise(plain: Walked, walked: Walked) -> Iterator[str]:
    wanted, found = _told(plain), _told(walked)
    if wanted != found:
        yield f"its history tells {found}, not {wanted}"


def _told(walked: Walked) -> tuple[list[str], int]:
    """Return what is compared of a history: what moved it, and how many reports."""
    moves = [
        _word(line)
        for line in walked.lines
        if line.what != REPORT and line.reason not in GIVEN_AGAIN
    ]

    return moves, sum(line.what == REPORT for line in walked.lines)


def _word(line: Line) -> str:
    return f"{line.what}: {line.reason}"


def _trouble(walked: Walked) -> Iterator[str]:
    for name, text in walked.outputs.items():
        for line in TROUBLE.findall(text):
            if OF_ARQ in line:
                continue
            yield f"{name} wrote {line}"
    for code in walked.codes:
        if code:
            yield f"a worker that was told to end did with {code}"


def _later(plain: Walked, walked: Walked) -> Iterator[str]:
    later = walked.seconds - plain.seconds
    if later > LATER_SECONDS_MAX:
        yield f"it took {later:.1f} s longer"
