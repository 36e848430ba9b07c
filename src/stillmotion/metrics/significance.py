"""Whether two models differ on the same videos, or only by luck of which videos these are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

DRAWS = 10_000
"""Resamples of a bootstrap."""

CHUNK = 2**22
"""The most counts of a bootstrap in memory at once."""


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of differences, second less first; fractions in [-1, 1]."""

    top1: tuple[float, float]
    mean_class: tuple[float, float]


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p-value.

    Under the hypothesis that both models are equally good, each video that one alone gets right is
    a fair coin's throw. The binomial tail is summed in whole numbers, so that it is exact.

    Args:
        only_first, only_second: videos that one model gets right and the other wrong.
    """
    throws, heads = only_first + only_second, min(only_first, only_second)
    ways, tail = 1, 1
    for k in range(heads):
        ways = ways * (throws - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**throws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's p-values: smaller than 0.05 in at most 5 % of families without any difference.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    adjusted, greatest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = greatest
    return adjusted


def paired_bootstrap(
    first: Bool[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Percentile intervals of the differences when videos are drawn again, with replacement.

    Both models keep their answer to a video, so what is hard for both moves neither end. Videos of
    the same class and the same difference need not be told apart: how often they are drawn
    together is multinomial, which is the same distribution and much less to draw.

    Args:
        first, second: which videos each model got right.
    """
    top1, mean_class = resampled_differences(first, second, labels, draws=draws, seed=seed)
    low_high = [tuple(np.quantile(found, (0.025, 0.975)).tolist()) for found in (top1, mean_class)]
    return Intervals(*low_high)


def resampled_differences(
    first: Bool[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    *,
    draws: int,
    seed: int,
) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """Differences in top-1 and in mean-class accuracy (over the classes drawn), a row a draw."""
    difference = second.astype(int) - first.astype(int)
    kinds, counts = np.unique(np.stack([labels, difference], axis=1), axis=0, return_counts=True)
    starts = np.unique(kinds[:, 0], return_index=True)[1]
    random, n = np.random.default_rng(seed), len(labels)
    top1, mean_class = [], []
    step = max(1, CHUNK // len(kinds))
    for begin in range(0, draws, step):
        drawn = random.multinomial(n, counts / n, size=min(step, draws - begin))
        change = drawn * kinds[:, 1]
        top1.append(change.sum(axis=1) / n)
        of_class = np.add.reduceat(drawn, starts, axis=1)
        change_of_class = np.add.reduceat(change, starts, axis=1)
        shares = change_of_class / np.maximum(of_class, 1)
        mean_class.append(shares.sum(axis=1) / (of_class > 0).sum(axis=1))
    return np.concatenate(top1), np.concatenate(mean_class)


def mean_class_interval(
    right: Bool[np.ndarray, " n"], labels: Int[np.ndarray, " n"], *, draws: int = 2000
) -> tuple[float, float]:
    """A 95 % interval of one model's mean-class accuracy, by the same bootstrap."""
    nothing = np.zeros_like(right)
    _, found = resampled_differences(nothing, right, labels, draws=draws, seed=0)
    return tuple(np.quantile(found, (0.025, 0.975)).tolist())
