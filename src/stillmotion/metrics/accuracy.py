"""Scores of class probabilities against labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from stillmotion.metrics.combinations import in_parts, most_probable, num_classes, part_labels
from stillmotion.metrics.confusion import Confusion, count_confusion

METRICS = {"top1": "top-1", "mean_class": "mean over classes"}
"""The scores of which a data set's papers name one first, and what they are called."""


@dataclass(frozen=True)
class Scores:
    """All fractions in [0, 1].

    Attributes:
        n: videos.
        top1, top5: the right class is first, among the first five (or all, where there are fewer).
        mean_class: the mean of the classes' own accuracies, over classes that have videos.
        macro_f1: the mean of the classes' F1, over classes that have videos or were answered.
        confusion: which class was taken for which.
        parts: where classes are combinations, the scores of each part.
    """

    n: int
    top1: float
    top5: float
    mean_class: float
    macro_f1: float
    confusion: Confusion
    parts: tuple["Scores", ...] = ()

    @property
    def per_class(self) -> list[float | None]:
        """Each class's own accuracy; None for a class without videos."""
        return [None if math.isnan(share) else share for share in self.confusion.recall.tolist()]


def score(
    probabilities: Float[Tensor, "n W"], labels: Int[Tensor, " n"], sizes: Sequence[int] = ()
) -> Scores:
    """Score ``n`` answers, at least one; ``sizes`` where classes are combinations."""
    _, said = most_probable(probabilities, sizes, first=5)
    hit = said == labels[:, None]
    classes = num_classes(probabilities, sizes)
    confusion = count_confusion(labels, said[:, 0], num_classes=classes)
    pairs = zip(in_parts(probabilities, sizes), part_labels(labels, sizes), strict=True)
    return Scores(
        n=len(labels),
        top1=float(hit[:, 0].double().mean()),
        top5=float(hit.any(dim=1).double().mean()),
        mean_class=confusion.mean_class,
        macro_f1=confusion.macro_f1,
        confusion=confusion,
        parts=tuple(score(part, label) for part, label in pairs) if sizes else (),
    )


def interval(fraction: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction seen in ``n`` trials.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    centre = fraction + z * z / (2 * n)
    spread = z * math.sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At its ends the formula gives 0 and 1, but for rounding errors.
    return (low if fraction > 0 else 0.0), (high if fraction < 1 else 1.0)
