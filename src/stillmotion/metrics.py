"""Scores of class probabilities against labels."""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)


@dataclass(frozen=True)
class Scores:
    """All fractions in [0, 1].

    Attributes:
        n: videos.
        top1, top5: the right class is first, among the first five (or all, where there are fewer).
        mean_class: the mean of the classes' own accuracies, over classes that have videos.
        calibration_error: mean distance of confidence and accuracy over 15 bins (ECE).
        confusion: videos of class i (row) answered j (column).
    """

    n: int
    top1: float
    top5: float
    mean_class: float
    calibration_error: float
    confusion: list[list[int]]

    @property
    def per_class(self) -> list[float | None]:
        """Each class's own accuracy; None for a class without videos."""
        rows = enumerate(self.confusion)
        return [row[i] / sum(row) if sum(row) else None for i, row in rows]


def score(probabilities: Float[Tensor, "n K"], labels: Int[Tensor, " n"]) -> Scores:
    """Score ``n`` answers, at least one."""
    classes = probabilities.shape[1]
    confusion = multiclass_confusion_matrix(probabilities, labels, num_classes=classes)
    count = confusion.sum(dim=1)
    accuracy = confusion.diag()[count > 0] / count[count > 0]
    return Scores(
        n=len(labels),
        top1=accuracy_within(probabilities, labels, 1),
        top5=accuracy_within(probabilities, labels, min(5, classes)),
        mean_class=float(accuracy.mean()),
        calibration_error=float(
            multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=15)
        ),
        confusion=confusion.tolist(),
    )


def accuracy_within(
    probabilities: Float[Tensor, "n K"], labels: Int[Tensor, " n"], first: int
) -> float:
    """The fraction whose class is among the ``first`` most probable."""
    return float(
        multiclass_accuracy(
            probabilities,
            labels,
            num_classes=probabilities.shape[1],
            top_k=first,
            average="micro",
        )
    )


def interval(fraction: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction seen in ``n`` trials.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    centre = fraction + z * z / (2 * n)
    spread = z * math.sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
