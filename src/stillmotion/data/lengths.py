"""How long videos usually are."""

from collections.abc import Sequence
from statistics import median

from stillmotion.data.annotations import Sample
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError

LOOKED_AT = 15
"""Videos that are opened to learn their length."""


def usual_seconds(samples: Sequence[Sample]) -> float | None:
    """The median length of a few of these videos, or of the labelled parts of them.

    Returns:
        Seconds, to a hundredth; None where none of the few can be read.
    """
    few = samples[:: max(1, len(samples) // LOOKED_AT)][:LOOKED_AT]
    lengths = [length for sample in few if (length := seconds_of(sample)) is not None]
    return round(median(lengths), 2) if lengths else None


def seconds_of(sample: Sample) -> float | None:
    """How long a sample is; None where it cannot be read."""
    if sample.end is not None:
        return sample.end - (sample.start or 0.0)
    try:
        with open_video(sample.path) as video:
            return video.duration_seconds - (sample.start or 0.0)
    except VideoError:
        return None
