"""
Text from outside, made fit to show.

What a sender writes ends up in lists, logs, e-mails and SMS. Control characters and
those that turn the direction of writing become spaces; what is cut says so.
"""

import re

CUT_MARK = "…"
# C0 and C1 controls but tab and line feed, marks that override the direction of
# writing (they can make a text read as another one), and the byte order mark.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def clean(text: str, length_max: int) -> str:
    """Return text of any number of lines, fit to show, at most so long."""
    return _cut(_UNPRINTABLE.sub(" ", text), length_max)


def one_line(text: str, length_max: int) -> str:
    """Return text of one line, fit to show, at most so long; it may be empty."""
    return _cut(" ".join(_UNPRINTABLE.sub(" ", text).split()), length_max)


def _cut(text: str, length_max: int) -> str:
    if len(text) <= length_max:
        return text

    return text[: length_max - len(CUT_MARK)] + CUT_MARK
