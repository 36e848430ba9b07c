"""Several models on the same videos: what each scores, how they differ, what all would score."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.table import Table
from torch import Tensor

from stillmotion.comparison.inputs import Run, common_videos, read_run
from stillmotion.comparison.pair import Pair, compare_pairs
from stillmotion.metrics import in_parts, interval, most_probable, score
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

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "draws": DRAWS, "stillmotion_version": __version__}

    def write(self, path: Path) -> None:
        """Write JSON and, beside it, the classes as CSV and a page that stands alone."""
        from stillmotion.comparison.files import write_comparison

        write_comparison(self, path)

    def tables(self) -> list[Table]:
        """For people: scores, then differences."""
        scores = Table(title=f"{self.n} videos", title_justify="left")
        scores.add_column("model", overflow="fold")
        for name in ("top-1", "95 % interval", "mean over classes", "95 % interval"):
            scores.add_column(name, justify="right")
        for row in [*self.runs, *self.ensembles]:
            (low, high), (least, most) = row["top1_interval"], row["mean_class_interval"]
            scores.add_row(
                row["name"],
                f"{row['top1']:.1%}",
                f"{low:.1%} to {high:.1%}",
                f"{row['mean_class']:.1%}",
                f"{least:.1%} to {most:.1%}",
            )
        scores.caption = f"at least one of the runs is right: {self.one_is_right:.1%}"
        differences = Table(title="differences in points, second less first", title_justify="left")
        for name in ("first", "second"):
            differences.add_column(name, overflow="fold")
        several = len(self.pairs) > 1
        for name in (METRICS[self.metric], "95 % interval", "only first", "only second", "p"):
            differences.add_column(name, justify="right")
        if several:
            differences.add_column("p (Holm)", justify="right")
        for pair in self.pairs:
            low, high = getattr(pair, f"{self.metric}_interval")
            differences.add_row(
                pair.first,
                pair.second,
                f"{100 * getattr(pair, self.metric):+.1f}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
                str(pair.only_first),
                str(pair.only_second),
                probability(pair.p),
                *([probability(pair.p_holm)] if several else []),
            )
        return [scores, differences]


METRICS = {"top1": "top-1", "mean_class": "mean over classes"}


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


def softmax(logits: Float[Tensor, "n W"], sizes: Sequence[int]) -> Float[Tensor, "n W"]:
    """Probabilities; each part adds up to 1."""
    return torch.cat([part.softmax(dim=1) for part in in_parts(logits, sizes)], dim=1)


def probability(p: float) -> str:
    """A p-value for print.

    >>> probability(0.0321), probability(0.00001)
    ('0.032', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
