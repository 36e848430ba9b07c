"""Time on a source that comes and goes."""

from collections.abc import Iterator
from math import inf

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds before the first attempt to open a source again, and at most between two of them."""

LEAP = 5.0
"""Seconds that the clock of a stream may run ahead of ours in a step: frames may come in heaps."""


class Clock:
    """Seconds from the first frame: never falling, whatever connections call their beginning.

    Attributes:
        began: when the first frame came.
    """

    def __init__(self) -> None:
        self.began = inf
        self._seconds = self._now = 0.0
        self._stamp: float | None = None

    def renew(self) -> None:
        """Another connection begins, whose own clock may begin anywhere."""
        self._stamp = None

    def at(self, stamp: float, *, now: float, leap: float = LEAP) -> float:
        """The time of the next frame.

        Args:
            stamp: its time in seconds on the clock of its connection. A step of that counts unless
                it is backwards, or too far ahead to be true: then what has passed here counts.
            now: when it came, in seconds.
            leap: seconds by which a step may exceed what has passed here.
        """
        if self.began == inf:
            self.began = self._now = now
        passed = now - self._now
        step = passed if self._stamp is None else stamp - self._stamp
        self._seconds += step if 0 <= step <= passed + leap else passed
        self._stamp, self._now = stamp, now
        return self._seconds


def pauses(total: float) -> Iterator[float]:
    """Seconds to wait before each attempt, twice as long each time, `total` of them together."""
    pause = FIRST_PAUSE
    while total > 0:
        yield min(pause, total)
        total -= pause
        pause = min(2 * pause, LONGEST_PAUSE)
