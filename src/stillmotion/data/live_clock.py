"""Time on a source that comes and goes."""

from collections.abc import Iterator
from math import inf

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds before the first attempt to open a source again, and at most between two of them."""

LEAP = 5.0
"""Seconds that the clock of a stream may run ahead of ours in a step, as frames may come in heaps;
and that any clock may fall back by because its frames are out of order."""

REORDERED = 16
"""Frames in a row that are out of order at most, as in H.264: with more, the clock began again."""


class Clock:
    """Seconds from the first frame: never falling, whatever connections call their beginning.

    Attributes:
        began: when the first frame came.
    """

    def __init__(self) -> None:
        self.began = inf
        self._seconds = self._now = 0.0
        self._highest, self._behind = inf, 0  # the first stamp has fallen too far back

    def renew(self) -> None:
        """Another connection begins, whose own clock may begin anywhere."""
        self._highest = inf

    def at(self, stamp: float, *, now: float, leap: float = LEAP) -> float:
        """The time of the next frame.

        Args:
            stamp: its time in seconds on the clock of its connection. What it exceeds the highest
                one by counts; nothing does of a frame that is out of order. Where it has fallen
                too far back, or is too far ahead to be true, what has passed here counts.
            now: when it came, in seconds.
            leap: seconds by which a step may exceed what has passed here.
        """
        if self.began == inf:
            self.began = self._now = now
        passed = now - self._now  # since time last went on
        step = stamp - self._highest
        if -LEAP <= step <= 0 and self._behind < REORDERED:
            self._behind += 1
            return self._seconds
        self._seconds += step if 0 < step <= passed + leap else passed
        self._highest, self._now, self._behind = stamp, now, 0
        return self._seconds


def pauses(total: float) -> Iterator[float]:
    """Seconds to wait before each attempt, twice as long each time, `total` of them together."""
    pause = FIRST_PAUSE
    while total > 0:
        yield min(pause, total)
        total -= pause
        pause = min(2 * pause, LONGEST_PAUSE)
