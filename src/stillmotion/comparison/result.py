"""Several models on the same videos: what each scores, how they differ, what all would score."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.table import Table
from torch import Tensor

from stillmotion.comparison.inputs import Run, common_videos, read_run
from stillmotion.comparison.pair import Pair, compare_pairs
from stillmotion.metrics import interval, most_probable, score, softmax
from stillmotion.metrics.significance import DRAWS, mean_class_interval
from stillmotion.version import __version__


@dataclass(frozen=True)
class Comparison:
    """What was found; fractions in [0, 1].

    Attributes:
        n: videos that all runs scored.
        metric: the score that is named first, "top1" or "mean_class".
        runs: scores of each run, then of their ensembles and of the best choice for each video.
        pairs: every two runs.
        per_class: for each class that has videos its name, their number, and each run's accuracy.
        told: how each run was evaluated.
    """

    n: int
    metric: str
    runs: list[dict[str, Any]]
    ensembles: list[dict[str, Any]]
    one_is_right: float
    pairs: list[Pair]
    per_class: list[dict[str, Any]]
    told: dict[str, dict[str, Any]]
    seed: int

    @property
    def names(self) -> list[str]:
        """Of the runs."""
        return [row["name"] for row in self.runs]

    @property
    def letters(self) -> dict[str, str]:
        """What each run is called where its name is too long: A, B, C ..."""
        return {n: ascii_uppercase[i] if i < 26 else str(i + 1) for i, n in enumerate(self.names)}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        told = {"draws": DRAWS, "stillmotion_version": __version__}
        return {**asdict(self), "letters": self.letters, **told}

    def write(self, path: Path) -> None:
        """Write JSON and, beside it, the classes as CSV and a page that stands alone."""
        from stillmotion.comparison.files import write_comparison

        write_comparison(self, path)

    def tables(self) -> list[Table]:
        """For people: scores, then differences."""
        from stillmotion.comparison.tables import differences, scores

        return [scores(self), differences(self)]


def compare(
    sources: Sequence[str | Path | Run], *, common: bool = False, seed: int = 0
) -> Comparison:
    """Compare runs on the same videos.

    Args:
        sources: run directories, evaluations (.json), files of scores, or runs.
        common: compare on the videos that all have scored; otherwise others are refused.
        seed: of the bootstrap.

    Raises:
        DataError: no scores, or other classes, labels or videos.
    """
    read = [source if isinstance(source, Run) else read_run(source) for source in sources]
    runs = common_videos(read, common=common)
    first = runs[0].scores
    labels, class_names, sizes = first.labels.numpy(), first.class_names, first.sizes
    said = {run.name: answers(run.scores.answers, sizes) for run in runs}
    right = {name: (index == first.labels).numpy() for name, index in said.items()}
    joined = {
        "ensemble, mean of probabilities": mean([run.scores.probabilities for run in runs]),
        "ensemble, mean of logits": softmax(mean([run.scores.logits for run in runs]), sizes),
    }
    accuracy = {run.name: score(run.scores.answers, first.labels, sizes).per_class for run in runs}
    support = torch.bincount(first.labels, minlength=len(class_names)).tolist()
    return Comparison(
        n=len(labels),
        metric=first.metric,
        runs=[scores_row(run.name, run.scores.answers, first.labels, sizes) for run in runs],
        ensembles=[scores_row(name, p, first.labels, sizes) for name, p in joined.items()],
        one_is_right=float(np.any(list(right.values()), axis=0).mean()),
        pairs=compare_pairs(right, labels, class_names, seed=seed),
        per_class=[
            {"name": class_names[i], "n": n, "accuracy": [own[i] for own in accuracy.values()]}
            for i, n in enumerate(support)
            if n
        ],
        told={run.name: run.scores.told for run in runs},
        seed=seed,
    )


def scores_row(name: str, said: Tensor, labels: Tensor, sizes: Sequence[int]) -> dict[str, Any]:
    """One model's scores with their intervals."""
    found = score(said, labels, sizes)
    right = (answers(said, sizes) == labels).numpy()
    return {
        "name": name,
        "top1": found.top1,
        "top1_interval": interval(found.top1, found.n),
        "top5": found.top5,
        "mean_class": found.mean_class,
        "mean_class_interval": mean_class_interval(right, labels.numpy()),
        "parts": [part.top1 for part in found.parts],
    }


def answers(probabilities: Float[Tensor, "n W"], sizes: Sequence[int]) -> Tensor:
    """The most probable class of each video."""
    return most_probable(probabilities, sizes, first=1)[1][:, 0]


def mean(tensors: Sequence[Tensor]) -> Tensor:
    """The mean over models."""
    return torch.stack(list(tensors)).mean(dim=0)
