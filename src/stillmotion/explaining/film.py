"""An explanation as a film: the video as it is, beside what the model makes of it."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stillmotion.data.recording import Recording
from stillmotion.data.video import open_video
from stillmotion.visualise.explanation import Explanation
from stillmotion.visualise.overlay import Overlay

ONE_FRAME = 0.5
"""Seconds that are shown to both sides of a clip of one frame."""


def write_film(
    explanation: Explanation,
    out: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the stretch of the video that the clip covers, at the video's own rate.

    Frames are decoded once, one held at a time.

    Args:
        out: an .mp4 file that is not there yet; it appears whole or not at all.
        on_progress: called with the number of pictures that are written and in all.

    Raises:
        ConfigurationError: the file is there, or the video's rate is beyond `recording.RATES`.
        VideoError: the video cannot be read any more.
        StorageError: the file cannot be written.
    """
    overlay = Overlay(explanation)
    first, last = covered(explanation.seconds)
    with open_video(explanation.path) as video:
        ticks = video.timeline.ticks(start=first, end=last)
        starts = video.timeline.starts
        held, written = Counter(ticks), 0
        with Recording(out, height=overlay.height, width=overlay.width, fps=video.fps) as film:
            for index, frame in video.in_turn(ticks):
                pixels = frame.permute(1, 2, 0).contiguous().numpy()
                picture = overlay.picture(pixels, second=starts[index])
                for _ in range(held[index]):
                    film.add(picture)
                written += held[index]
                if on_progress is not None:
                    on_progress(written, len(ticks))


def covered(seconds: Float[np.ndarray, " T"]) -> tuple[float, float]:
    """From when to when a clip stands for the video: half a step further than its frames.

    >>> covered(np.array([1.0, 2.0, 3.0]))
    (0.5, 3.5)
    """
    steps = [late - early for early, late in pairwise(seconds.tolist())]
    half = sum(steps) / len(steps) / 2 if steps else ONE_FRAME
    half = half or ONE_FRAME
    return max(0.0, float(seconds[0]) - half), float(seconds[-1]) + half
