"""From probabilities over time to segments: from when to when, what, and how surely."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from stillmotion.errors import ConfigurationError
from stillmotion.fields import allows
from stillmotion.localisation.track import Track


@dataclass(frozen=True)
class Segment:
    """A stretch of a video in which one thing happens."""

    start: float
    """In seconds from the video's first frame."""
    end: float
    """Likewise; above `start`."""
    label: str
    confidence: float = 1.0
    """Mean probability of the class over the segment's windows, in [0, 1]; 1 for what is known."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; times to a millisecond."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "label": self.label,
            "confidence": round(self.confidence, 6),
        }


def segments(
    track: Track, *, threshold: float = 0.0, min_seconds: float = 0.0, per_class: bool = False
) -> list[Segment]:
    """Where each class goes on, in the order of time.

    A window speaks for the time that is nearer to its centre than to any other's. What is too short
    is left out; then segments of one class that are less than ``min_seconds`` apart become one.

    Args:
        threshold: least probability of a class, in [0, 1]; below it, it is none of these.
        min_seconds: the shortest segment.
        per_class: every class that reaches the threshold, so that segments of several classes may
            lie over each other; else one class at a time, the most probable.

    Raises:
        ConfigurationError: a number out of its range, or each class without a threshold.
    """
    refuse_impossible(threshold=threshold, min_seconds=min_seconds, per_class=per_class)
    goes_on = track.probabilities >= threshold
    if not per_class:
        best = track.probabilities.argmax(axis=1)
        goes_on &= best[:, None] == np.arange(len(track.class_names))
    edges = borders(track)
    found = [
        Segment(
            start=float(edges[first]),
            end=float(edges[stop]),
            label=track.class_names[label],
            confidence=float(track.probabilities[first:stop, label].mean()),
        )
        for label in np.flatnonzero(goes_on.any(axis=0))
        for first, stop in lasting(goes_on[:, label], edges, min_seconds=min_seconds)
    ]
    return sorted(found, key=lambda segment: (segment.start, segment.end, segment.label))


def refuse_impossible(*, threshold: float, min_seconds: float, per_class: bool) -> None:
    """Refuse what `segments` refuses, before a video is looked at.

    Raises:
        ConfigurationError: a number out of its range, or each class without a threshold.
    """
    if not allows(float, threshold) or not 0 <= threshold <= 1:
        raise ConfigurationError(f"threshold={threshold!r}: give a probability, from 0 to 1")
    if not allows(float, min_seconds) or min_seconds < 0:
        raise ConfigurationError(f"min_seconds={min_seconds!r}: give seconds, a number from 0")
    if per_class and threshold == 0:
        raise ConfigurationError(
            "without a threshold every class goes on all the time: give one above 0"
        )


def borders(track: Track) -> Float64[np.ndarray, " edges"]:
    """Where the time of each window begins, in seconds, and the end of the video."""
    centres = track.centres
    return np.concatenate([[0.0], (centres[:-1] + centres[1:]) / 2, [track.seconds]])


def lasting(
    goes_on: Bool[np.ndarray, " S"], edges: Float64[np.ndarray, " edges"], *, min_seconds: float
) -> list[tuple[int, int]]:
    """First window of each stretch of one class, and the one after its last."""
    steps = np.flatnonzero(np.diff(goes_on.astype(int), prepend=0, append=0))
    joined: list[tuple[int, int]] = []
    for first, stop in steps.reshape(-1, 2).tolist():
        if edges[stop] - edges[first] < min_seconds:
            continue
        if joined and edges[first] - edges[joined[-1][1]] < min_seconds:
            first = joined.pop()[0]
        joined.append((first, stop))
    return joined
