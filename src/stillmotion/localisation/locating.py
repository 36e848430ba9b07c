"""What happens when in one video, from the file to its segments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillmotion.localisation.following import follow
from stillmotion.localisation.located import Located
from stillmotion.localisation.segment import segments
from stillmotion.localisation.smoothing import calibrated, smoothed
from stillmotion.model import VideoClassifier
from stillmotion.rejection import Rejection, rejection_of

if TYPE_CHECKING:
    from os import PathLike


def locate(
    model: VideoClassifier,
    path: str | PathLike[str],
    *,
    smooth: float | None = None,
    threshold: float | None = None,
    min_seconds: float = 0.0,
    per_class: bool = False,
    **following: Any,
) -> Located:
    """Follow a video, smooth what is said of it, and find the segments.

        locate(stillmotion.load("runs/doors"), "yard.mp4", threshold=0.5).segments

    Args:
        smooth: standard deviation of the Gaussian over time, in seconds; 0: none; None: a quarter
            of a window.
        threshold: least probability of a class; below it, it is none of these. None: as the model
            was calibrated, and 0 where it was not. Probabilities of a calibrated model are scaled
            by its temperature, as the confidence of `predict` is.
        min_seconds, per_class: see `segments`.
        following: window, stride and the others of `follow`.

    Raises:
        VideoError, ConfigurationError: as `follow`, `smoothed` and `segments`.
    """
    track = follow(model, path, **following)
    known = calibration_of(model)
    if known is not None:
        track = calibrated(track, known.temperature)
    if smooth is None:
        smooth = float(track.stops[0] - track.starts[0]) / 4
    if threshold is None:
        threshold = known.threshold if known else 0.0
    track = smoothed(track, seconds=smooth)
    found = segments(track, threshold=threshold, min_seconds=min_seconds, per_class=per_class)
    return Located(Path(path), track, found, threshold)


def calibration_of(model: VideoClassifier) -> Rejection | None:
    """How sure a model must be, if that is known of the classes that a track holds: where classes
    are combinations it holds too few of them for their probabilities to be scaled."""
    return None if model.parts else rejection_of(model.info)
