"""Whether a model's confidence is as high as its accuracy, and what would make it so."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stillmotion.metrics.combinations import in_parts, most_probable, part_labels, softmax

BINS = 15
"""Intervals of confidence, equally wide."""

LEAST = 1e-12
"""A probability below this counts as this: its logarithm is finite."""

COOLEST, HOTTEST = 0.02, 50.0
"""Between these a temperature is looked for; a model that is always right has none."""


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence; fractions in [0, 1].

    Attributes:
        n: videos.
        confidence, accuracy: their means; None without videos.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How far confidence can be believed.

    Attributes:
        error: the mean distance of confidence and accuracy over the bins (ECE), in [0, 1].
        nll: the mean negative logarithm of the right class's probability (of both parts' together,
            where classes are combinations).
        temperature: dividing log-probabilities by it gives the least `nll` on these very videos:
            above 1 the model is too sure, below 1 not sure enough.
        error_at_temperature, nll_at_temperature: what would then remain.
    """

    error: float
    nll: float
    temperature: float
    error_at_temperature: float
    nll_at_temperature: float
    bins: tuple[Bin, ...]


def measure_calibration(
    probabilities: Float[Tensor, "n W"], labels: Int[Tensor, " n"], sizes: Sequence[int] = ()
) -> Calibration:
    """Calibration of ``n`` answers, at least one."""
    temperature = fit_temperature(probabilities, labels, sizes)
    mended = scaled(probabilities, temperature, sizes)
    bins = reliability(*confidence_and_right(probabilities, labels, sizes))
    return Calibration(
        error=expected_error(bins),
        nll=negative_log_likelihood(probabilities, labels, sizes),
        temperature=temperature,
        error_at_temperature=expected_error(
            reliability(*confidence_and_right(mended, labels, sizes))
        ),
        nll_at_temperature=negative_log_likelihood(mended, labels, sizes),
        bins=bins,
    )


def confidence_and_right(
    probabilities: Float[Tensor, "n W"], labels: Int[Tensor, " n"], sizes: Sequence[int] = ()
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """The probability of each answer, and whether it is right."""
    value, said = most_probable(probabilities, sizes, first=1)
    return value[:, 0], said[:, 0] == labels


def reliability(
    confidence: Float[Tensor, " n"], right: Bool[Tensor, " n"], *, bins: int = BINS
) -> tuple[Bin, ...]:
    """Answers gathered by confidence."""
    which = (confidence * bins).long().clamp(max=bins - 1)
    sums = torch.zeros(3, bins, dtype=torch.float64)
    seen = torch.stack([torch.ones_like(confidence), confidence, right.to(confidence)]).double()
    sums.index_add_(1, which, seen)
    return tuple(
        Bin(i / bins, (i + 1) / bins, round(n), c / n if n else None, a / n if n else None)
        for i, (n, c, a) in enumerate(sums.T.tolist())
    )


def expected_error(bins: Sequence[Bin]) -> float:
    """The mean distance of confidence and accuracy.

    Source: Guo et al. (2017), arXiv 1706.04599, equation 3.
    """
    total = sum(bin.n for bin in bins)
    return sum(
        bin.n / total * abs(bin.confidence - bin.accuracy)
        for bin in bins
        if bin.confidence is not None and bin.accuracy is not None
    )


def negative_log_likelihood(
    probabilities: Float[Tensor, "n W"], labels: Int[Tensor, " n"], sizes: Sequence[int] = ()
) -> float:
    """The mean negative logarithm of the right class's probability."""
    pairs = zip(in_parts(probabilities, sizes), part_labels(labels, sizes), strict=True)
    return sum(-float(_log(part).gather(1, label[:, None]).mean()) for part, label in pairs)


def scaled(
    probabilities: Float[Tensor, "n W"], temperature: float, sizes: Sequence[int] = ()
) -> Float[Tensor, "n W"]:
    """Probabilities whose logarithms were divided by a temperature; each part adds up to 1."""
    return softmax(_log(probabilities) / temperature, sizes).to(probabilities.dtype)


def fit_temperature(
    probabilities: Float[Tensor, "n W"], labels: Int[Tensor, " n"], sizes: Sequence[int] = ()
) -> float:
    """The temperature with the least negative log-likelihood.

    That is convex in the inverse temperature, so its slope is halved down to where it is 0.
    """
    pairs = [
        (_log(part), label)
        for part, label in zip(
            in_parts(probabilities, sizes), part_labels(labels, sizes), strict=True
        )
    ]

    def slope(inverse: float) -> float:
        """The mean log-probability under the scaled model, less that of the right class."""
        total = 0.0
        for logs, label in pairs:
            expected = ((logs * inverse).softmax(dim=1) * logs).sum(dim=1)
            total += float((expected - logs.gather(1, label[:, None])[:, 0]).mean())
        return total

    low, high = math.log(1 / HOTTEST), math.log(1 / COOLEST)
    for _ in range(24):  # to six digits
        middle = (low + high) / 2
        low, high = (middle, high) if slope(math.exp(middle)) < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def _log(probabilities: Float[Tensor, "n _"]) -> Float[Tensor, "n _"]:
    return probabilities.double().clamp(min=LEAST).log()
