"""Boxes in comments, ticked by their numbers."""

from collections.abc import Collection

import pytest

from engine.core.checklists import has_open_boxes, tick

TEXT = "Look at:\n- [ ] the disk\n  * [x] the log\n1. [] the load\n[ ] no box\n"


@pytest.mark.parametrize(
    ("ticked", "unticked", "expected"),
    [
        ([], [], TEXT),
        ([1], [], TEXT.replace("- [ ]", "- [x]")),
        ([3], [], TEXT.replace("[]", "[x]")),
        ([], [2], TEXT.replace("* [x]", "* [ ]")),
        ([1, 3], [2], "Look at:\n- [x] the disk\n  * [ ] the log\n1. [x] the load\n[ ] no box\n"),
        ([2], [], TEXT),
        ([0, 4, -1], [9], TEXT),
    ],
)  # fmt: skip
def test_ticked(
    ticked: Collection[int], unticked: Collection[int], expected: str
) -> None:
    """The boxes that are named change, and nothing else does."""
    assert expected == tick(TEXT, ticked, unticked)


def test_all_ticked() -> None:
    """When every box is ticked none is open."""
    assert has_open_boxes(tick(TEXT, [1], []))
    assert not has_open_boxes(tick(TEXT, [1, 2, 3], []))
