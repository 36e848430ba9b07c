"""What happens when in one video, from the file to its segments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillmotion.localisation.following import follow
from stillmotion.localisation.located import Located
from stillmotion.localisation.segment import refuse_impossible, segments
from stillmotion.localisation.smoothing import calibrated, refuse_negative, smoothed
from stillmotion.localisation.track import Track
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
    """Follow a video, calibrate and smooth what is said of it, and find the segments.

        locate(stillmotion.load("runs/doors"), "yard.mp4", threshold=0.5).segments

    Args:
        smooth: standard deviation of the Gaussian over time, in seconds; 0: none; None: a quarter
            of a window.
        threshold: least probability of a class; below it, it is none of these. None: as the model
            was calibrated, and 0 where it was not.
        min_seconds, per_class: see `segments`.
        following: window, stride and the others of `follow`.

    Raises:
        VideoError, ConfigurationError: as `follow`; and as `smoothed` and `segments`, before the
            video is looked at.
    """
    if threshold is None:
        threshold = usual_threshold(model)
    refuse_impossible(threshold=threshold, min_seconds=min_seconds, per_class=per_class)
    if smooth is not None:
        refuse_negative(smooth)
    track = as_calibrated(follow(model, path, **following), model)
    if smooth is None:
        smooth = float(track.stops[0] - track.starts[0]) / 4
    track = smoothed(track, seconds=smooth)
    found = segments(track, threshold=threshold, min_seconds=min_seconds, per_class=per_class)
    return Located(Path(path), track, found, threshold)


def as_calibrated(track: Track, model: VideoClassifier) -> Track:
    """The track as sure as `stillmotion calibrate` made its model, as the confidence of `predict`
    is. Here alone are tracks scaled: those of `locate` and those of the service."""
    known = calibration_of(model)
    return track if known is None else calibrated(track, known.temperature)


def usual_threshold(model: VideoClassifier) -> float:
    """The least probability of a class, as the model was calibrated; 0 where it was not."""
    known = calibration_of(model)
    return 0.0 if known is None else known.threshold


def calibration_of(model: VideoClassifier) -> Rejection | None:
    """How sure a model must be, if that is known of the classes that a track holds: where classes
    are combinations it holds too few of them for their probabilities to be scaled."""
    return None if model.parts else rejection_of(model.info)
