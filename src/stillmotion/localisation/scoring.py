"""How well segments that were found match those that are known: mean average precision.

As ActivityNet's evaluation defines it (Caba Heilbron et al., 2015; THUMOS results are usually given
by the same definition): the segments of a class, of all videos together, are taken in the order of
their confidence. Each is right if the known segment of its video and class that it overlaps most,
among those not yet taken, has at least the asked temporal IoU. The average precision of a class is
the area below its precision and recall, where precision is the highest at that recall or any above
(interpolated at every recall, as in PASCAL VOC from 2010); the mean is over the classes that are
known to occur.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from stillmotion.errors import DataError
from stillmotion.localisation.segment import Segment

Segments = Mapping[str, Sequence[Segment]]
"""The segments of each video, by its name."""

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Temporal IoU at which THUMOS results are given."""


@dataclass(frozen=True)
class LocalisationScores:
    """Average precision at several temporal IoUs, as fractions."""

    thresholds: tuple[float, ...]
    per_class: dict[str, tuple[float, ...]]
    """Average precision of each class that occurs, at each threshold."""
    num_videos: int
    num_segments: int
    """That are known."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean average precision at each threshold: over classes."""
        return tuple(np.mean(list(self.per_class.values()), axis=0).tolist())

    @property
    def average(self) -> float:
        """The mean of these over the thresholds."""
        return float(np.mean(self.mean))

    def line(self) -> str:
        """What was scored, for people."""
        each = "  ".join(f"{t:g}: {p:.1%}" for t, p in zip(self.thresholds, self.mean, strict=True))
        return (
            f"mAP {self.average:.1%}, the mean over temporal IoU ({each}); {self.num_segments} "
            f"known segments of {len(self.per_class)} classes; videos: {self.num_videos}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "map": self.average,
            "thresholds": list(self.thresholds),
            "map_at": list(self.mean),
            "per_class": {name: list(own) for name, own in self.per_class.items()},
            "videos": self.num_videos,
            "segments": self.num_segments,
        }


def score_segments(
    found: Segments, truth: Segments, *, thresholds: Sequence[float] = THRESHOLDS
) -> LocalisationScores:
    """Score the segments of all videos together; what is found in a video that is not in ``truth``
    is wrong.

    Raises:
        DataError: there is no known segment.
    """
    classes = sorted({segment.label for known in truth.values() for segment in known})
    if not classes:
        raise DataError("there are no known segments to score against")
    per_class = {
        label: tuple(
            average_precision(of_class(found, label), of_class(truth, label), threshold)
            for threshold in thresholds
        )
        for label in classes
    }
    return LocalisationScores(
        thresholds=tuple(thresholds),
        per_class=per_class,
        num_videos=len(found.keys() | truth.keys()),
        num_segments=sum(map(len, truth.values())),
    )


def of_class(segments: Segments, label: str) -> dict[str, list[Segment]]:
    """The segments of one class, by video."""
    return {name: [s for s in own if s.label == label] for name, own in segments.items()}


def average_precision(found: Segments, truth: Segments, threshold: float) -> float:
    """Interpolated average precision of segments of one class."""
    ranked = sorted(
        ((name, segment) for name, own in found.items() for segment in own),
        key=lambda pair: -pair[1].confidence,
    )
    left = {name: list(known) for name, known in truth.items()}
    right = np.zeros(len(ranked), dtype=bool)
    for place, (name, segment) in enumerate(ranked):
        candidates = left.get(name, [])
        match = max(candidates, key=lambda known: temporal_iou(segment, known), default=None)
        if match is not None and temporal_iou(segment, match) >= threshold:
            right[place] = True
            candidates.remove(match)
    return area(right, positives=sum(map(len, truth.values())))


def area(right: Bool[np.ndarray, " n"], *, positives: int) -> float:
    """The area below interpolated precision and recall of answers in the order of confidence."""
    precision: Float64[np.ndarray, " n"] = right.cumsum() / np.arange(1, len(right) + 1)
    highest_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(highest_from_here[right].sum() / positives)


def temporal_iou(one: Segment, other: Segment) -> float:
    """The time that two segments share, as a part of the time that either covers; in [0, 1]."""
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    return shared / (one.seconds + other.seconds - shared)
