"""The start: a time of day by which all is stored and every process is there."""

import time


class LateError(Exception):
    """It was not: what would be measured is how slow the preparations were."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"not measured: this machine was {seconds:.1f} s too slow to prepare it; "
            "run it again when less goes on beside it"
        )


def wait_until(start: float) -> None:
    """
    Return at that time.

    Raises:
        LateError: If it is past.
    """
    left = start - time.time()
    if left < 0:
        raise LateError(-left)
    time.sleep(left)
