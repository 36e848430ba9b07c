"""Two models on the same videos: how much they differ, and whether that is luck."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from stillmotion.metrics.significance import holm, mcnemar, paired_bootstrap

SHOWN = 10
"""Classes that are named where one model is better than the other."""


@dataclass(frozen=True)
class Pair:
    """Second less first, as fractions in [-1, 1].

    Attributes:
        first, second: names of the runs.
        top1, mean_class: the differences, with the 95 % intervals of a paired bootstrap.
        only_first, only_second: videos that one run alone got right.
        p: McNemar's exact two-sided p-value.
        p_holm: the same, corrected for the number of pairs that were compared.
        second_better, first_better: classes with the greatest differences in accuracy.
    """

    first: str
    second: str
    top1: float
    top1_interval: tuple[float, float]
    mean_class: float
    mean_class_interval: tuple[float, float]
    only_first: int
    only_second: int
    p: float
    p_holm: float
    second_better: list[dict[str, Any]]
    first_better: list[dict[str, Any]]


def compare_pair(
    first: Bool[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    class_names: Sequence[str],
    *,
    names: tuple[str, str],
    seed: int = 0,
) -> Pair:
    """Compare which videos two models got right."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    intervals = paired_bootstrap(first, second, labels, seed=seed)
    classes, row = np.unique(labels, return_inverse=True)
    n = np.bincount(row)
    gained = np.bincount(row, weights=second & ~first).astype(int)
    lost = np.bincount(row, weights=first & ~second).astype(int)
    change = (gained - lost) / n
    p = mcnemar(only_first, only_second)

    def leaders(sign: int) -> list[dict[str, Any]]:
        order = [i for i in np.argsort(-sign * change, kind="stable") if sign * change[i] > 0]
        return [
            {
                "name": class_names[classes[i]],
                "n": int(n[i]),
                "difference": float(change[i]),
                "only_first": int(lost[i]),
                "only_second": int(gained[i]),
            }
            for i in order[:SHOWN]
        ]

    return Pair(
        *names,
        top1=float(second.mean() - first.mean()),
        top1_interval=intervals.top1,
        mean_class=float(change.mean()),
        mean_class_interval=intervals.mean_class,
        only_first=only_first,
        only_second=only_second,
        p=p,
        p_holm=p,
        second_better=leaders(1),
        first_better=leaders(-1),
    )


def compare_pairs(
    right: dict[str, Bool[np.ndarray, " n"]],
    labels: Int[np.ndarray, " n"],
    class_names: Sequence[str],
    *,
    seed: int = 0,
) -> list[Pair]:
    """Every two models, with Holm's correction for their number."""
    pairs = [
        compare_pair(right[a], right[b], labels, class_names, names=(a, b), seed=seed)
        for a, b in combinations(right, 2)
    ]
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
