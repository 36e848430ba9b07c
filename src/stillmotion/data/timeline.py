"""When each frame of a video is shown: the arithmetic between frames, seconds and ticks.

Seconds are counted from the first frame that is shown, whatever the file calls that moment.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, nextafter
from statistics import median

from stillmotion.errors import VideoError


@dataclass(frozen=True)
class Timeline:
    """The moments at which the frames of one video appear.

    Sampling by frame index would run fast where a variable-rate video is sparse. `ticks` is the
    remedy: as many evenly spaced moments as there are frames, and the frame shown at each.
    """

    starts: tuple[float, ...]
    """Seconds at which each frame appears: begins at 0, never falls."""
    duration: float
    """Seconds from the first frame's appearance to the last one's end; above `starts[-1]`."""
    resolution: float = 0.0
    """Seconds in one unit of the file's clock: how far rounding may have moved a timestamp."""

    def __post_init__(self) -> None:
        assert self.starts[0] == 0
        assert self.duration > self.starts[-1]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return len(self) / self.duration

    @cached_property
    def is_variable_rate(self) -> bool:
        """Whether the time between frames varies by more than rounding can explain.

        Files round timestamps to their clock, and some muxers to milliseconds, so a step may
        differ from the usual one by two units, two milliseconds or a tenth of itself.
        """
        steps = [late - early for early, late in pairwise(self.starts)]
        usual = median(steps) if steps else 0.0
        tolerance = max(2 * self.resolution, 0.002, usual / 10)
        return any(abs(step - usual) > tolerance for step in steps)

    def frame_at(self, seconds: float) -> int:
        """Index of the frame shown at a moment.

        Raises:
            VideoError: before the first frame, or at or after the end.
        """
        if not 0 <= seconds < self.duration:
            raise VideoError(
                f"no frame is shown at {seconds:g} s: the video lasts from 0 to {self.duration:g} s"
            )
        return bisect_right(self.starts, seconds) - 1

    def ticks(self, *, start: float | None = None, end: float | None = None) -> list[int]:
        """The frame shown at each tick of a constant-rate clock, within [start, end) seconds.

        The clock has `len(self)` ticks, the middles of equal parts of the duration. Where the rate
        is constant, tick i is frame i. An `end` after the video's own is cut; a range shorter than
        one tick gives the one frame shown at its start.

        Raises:
            VideoError: the range begins after the video's end, or ends before it begins.
        """
        first = 0.0 if start is None else max(start, 0.0)
        last = self.duration if end is None else min(end, self.duration)
        if not first < last:
            raise VideoError(
                f"nothing lies between {first:g} s and {self.duration if end is None else end:g} s:"
                f" the video lasts from 0 to {self.duration:g} s"
            )
        fps, ticks = self.fps, range(len(self))

        def before(end: float) -> int:
            return bisect_left(ticks, end, key=lambda tick: (tick + 0.5) / fps)

        chosen = list(ticks[before(first) : before(last)])
        if not chosen:
            return [self.frame_at(first)]
        if not self.is_variable_rate:
            return chosen
        return [self.frame_at((tick + 0.5) / fps) for tick in chosen]


def timeline_from_pts(pts: Sequence[int], *, last_step: int, seconds_per_unit: float) -> Timeline:
    """The timeline of frames whose timestamps the file states in units of its own clock.

    Args:
        pts: presentation timestamps in rising order, at least one.
        last_step: how long the last frame is shown, where the file says so; 0 where it does not,
            and then the usual step is taken.
        seconds_per_unit: the file's clock.
    """
    steps = [late - early for early, late in pairwise(pts)]
    last_step = last_step if last_step > 0 else max(1, round(median(steps)) if steps else 1)
    starts = tuple((moment - pts[0]) * seconds_per_unit for moment in pts)
    return Timeline(
        starts=starts,
        # Timestamps of a damaged file may be so large that one step vanishes beside them.
        duration=max((pts[-1] + last_step - pts[0]) * seconds_per_unit, nextafter(starts[-1], inf)),
        resolution=seconds_per_unit,
    )


def clock(seconds: float) -> str:
    """A moment for people, to a tenth of a second.

    >>> clock(65.25), clock(3725.0)
    ('1:05.2', '1:02:05.0')
    """
    minutes, tenths = divmod(round(10 * seconds), 600)
    hours, minute = divmod(minutes, 60)
    told = f"{tenths // 10:02}.{tenths % 10}"
    return f"{hours}:{minute:02}:{told}" if hours else f"{minute}:{told}"
