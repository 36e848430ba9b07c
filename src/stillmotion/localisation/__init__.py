"""What happens when in a long video: windows over time, their scores, and segments.

    located = locate(stillmotion.load("runs/doors"), "yard.mp4", threshold=0.5)

windows     stretches of a video that overlap, and the clip of each
following   a model's probabilities of each: a `Track`
smoothing   steadier ones
segment     from when to when, what, and how surely
locating    all of these in turn: a `Located`
truth       what people know of the same videos
scoring     how well the two match: mean average precision
"""

from stillmotion.localisation.following import follow
from stillmotion.localisation.located import Located
from stillmotion.localisation.locating import as_calibrated, locate
from stillmotion.localisation.scoring import LocalisationScores, score_segments
from stillmotion.localisation.segment import Segment, segments
from stillmotion.localisation.smoothing import calibrated, smoothed
from stillmotion.localisation.subrip import subtitles
from stillmotion.localisation.track import Track
from stillmotion.localisation.truth import matched, read_truth
from stillmotion.localisation.windows import window_clips, windows

__all__ = [
    "LocalisationScores",
    "Located",
    "Segment",
    "Track",
    "as_calibrated",
    "calibrated",
    "follow",
    "locate",
    "matched",
    "read_truth",
    "score_segments",
    "segments",
    "smoothed",
    "subtitles",
    "window_clips",
    "windows",
]
