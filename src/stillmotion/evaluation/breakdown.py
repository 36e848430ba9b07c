"""The same score by camera, by subject, by group: where a model works and where it does not."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor

from stillmotion.data.annotations import Sample
from stillmotion.metrics import count_confusion, interval

MOST = {"camera": 100, "subject": 100, "group": 24}
"""What videos are told apart by, and up to how many of each are told: groups may be recordings."""


def breakdown(
    samples: Sequence[Sample],
    labels: Int[Tensor, " n"],
    said: Int[Tensor, " n"],
    *,
    num_classes: int,
) -> dict[str, list[dict[str, Any]]]:
    """For each camera, subject and group: videos, top-1 with its interval, and mean-class accuracy.

    What no video states, what is the same for all, and what has too many values is left out.
    """
    told = {}
    for field, most in MOST.items():
        values = [getattr(sample, field) for sample in samples]
        if 1 < len(set(values)) <= most:
            told[field] = [
                {"name": name} | _scores(labels[own], said[own], num_classes)
                for name in sorted(set(values), key=lambda value: (value is None, value))
                for own in [[i for i, value in enumerate(values) if value == name]]
            ]
    return told


def _scores(labels: Tensor, said: Tensor, num_classes: int) -> dict[str, Any]:
    right: Bool[Tensor, " n"] = labels == said
    top1 = float(right.double().mean())
    return {
        "n": len(labels),
        "top1": top1,
        "interval": interval(top1, len(labels)),
        "mean_class": count_confusion(labels, said, num_classes=num_classes).mean_class,
    }
