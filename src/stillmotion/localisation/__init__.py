"""What happens when in a long video: windows over time, their scores, segments, and their score.

    track = follow(stillmotion.load("runs/doors"), "yard.mp4")

windows     stretches of a video that overlap, and the clip of each
following   a model's probabilities for each of them: a `Track`
"""

from stillmotion.localisation.following import follow
from stillmotion.localisation.track import Track
from stillmotion.localisation.windows import window_clips, windows

__all__ = ["Track", "follow", "window_clips", "windows"]
