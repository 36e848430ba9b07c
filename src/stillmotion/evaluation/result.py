"""What an evaluation says: all that is needed to compare its scores, as JSON and as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from stillmotion.data.manifest import Metric
from stillmotion.metrics import METRICS, Calibration, Confusion, Scores, interval
from stillmotion.quantising import Agreement
from stillmotion.saved_scores import SavedScores
from stillmotion.version import __version__

DENSE = 60
"""The most classes for which the whole confusion matrix is written out."""

LISTED = 1000
"""The most classes that are named one by one whether videos have them or not."""

CONFUSED = 20
"""Pairs of classes that are named as the most confused."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores with all that is needed to compare them. `to_dict` documents itself as JSON.

    Attributes:
        mean_class_interval: 95 %, by a bootstrap over videos.
        breakdown: scores by camera, subject and group, where the videos have them.
        acceptance: what the model's `none of these` threshold does to these videos; None without.
        model_sha256: of the model, see `stillmotion.identity`.
        fewer_bits: in what precision the model was asked, and how it agrees with itself in full on
            the clips it was checked on; None in full.
        saved: every video's scores.
        predictions: one row a video; see `summary.predictions`.
    """

    scores: Scores
    calibration: Calibration
    mean_class_interval: tuple[float, float]
    top1_shuffled: float | None
    top1_reversed: float | None
    breakdown: dict[str, list[dict[str, Any]]]
    acceptance: dict[str, Any] | None
    split: str
    dataset: str | None
    metric: Metric
    class_names: tuple[str, ...]
    views: dict[str, Any]
    list_sha256: str
    backbone: str | None
    backbone_sha256: str | None
    model_sha256: str
    decoder: str
    unreadable: list[dict[str, str]]
    fewer_bits: Agreement | None
    predictions: list[dict[str, Any]]
    saved: SavedScores

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals: Wilson's of fractions of videos."""
        s = self.scores
        fractions = {
            "top1": s.top1,
            "top5": s.top5,
            "top1_shuffled": self.top1_shuffled,
            "top1_reversed": self.top1_reversed,
        }
        wilson = {k: interval(v, s.n) for k, v in fractions.items() if v is not None}
        return wilson | {"mean_class": self.mean_class_interval}

    def to_dict(self) -> dict[str, Any]:
        """All but what is said of each video, JSON-able; fractions in [0, 1]."""
        s, parts = self.scores, self.saved.parts
        named_first: dict[str, float] = {self.metric: getattr(s, self.metric)}
        return {
            **named_first,
            **{name: getattr(s, name) for name in ("top1", "top5", "mean_class", "macro_f1")},
            "top1_shuffled": self.top1_shuffled,
            "top1_reversed": self.top1_reversed,
            "n": s.n,
            "intervals": self.intervals,
            "parts": {p.name: part_scores(own) for p, own in zip(parts, s.parts, strict=True)},
            "metric": self.metric,
            "dataset": self.dataset,
            "split": self.split,
            "num_classes": len(self.class_names),
            "class_names": None if len(self.class_names) > LISTED else self.class_names,
            "views": self.views,
            "list_sha256": self.list_sha256,
            "backbone": self.backbone,
            "backbone_sha256": self.backbone_sha256,
            "model_sha256": self.model_sha256,
            "decoder": self.decoder,
            "unreadable": self.unreadable,
            "fewer_bits": self.fewer_bits and self.fewer_bits.to_dict(),
            "calibration_error": self.calibration.error,
            "calibration": asdict(self.calibration),
            "none_of_these": self.acceptance,
            "breakdown": self.breakdown,
            "most_confused": most_confused(s.confusion, self.class_names),
            "per_class": per_class(s.confusion, self.class_names),
            "confusion": s.confusion.dense if len(self.class_names) <= DENSE else None,
            "confusion_pairs": s.confusion.sparse,
            "stillmotion_version": __version__,
        }

    def write(self, path: Path) -> None:
        """Write the scores as JSON; beside it a picture, a page, CSV, and what each video got."""
        from stillmotion.evaluation.files import write_evaluation

        write_evaluation(self, path)

    def table(self) -> Table:
        """The scores for people."""
        s, views = self.scores, self.views
        table = Table(title=f"{self.split}: {s.n} videos, {len(self.class_names)} classes")
        table.add_column("score")
        table.add_column("", justify="right")
        table.add_column("95 % interval", justify="right")
        named: dict[str, float] = {"top1": s.top1, "top5": s.top5, "mean_class": s.mean_class}
        named = {str(self.metric): named[self.metric]} | named
        words = METRICS | {"top5": "top-5"}
        words |= {f"top1_{o}": f"frames {o}, top-1" for o in ("shuffled", "reversed")}
        named |= {o: v for o in words if o not in named and (v := getattr(self, o)) is not None}
        for name, value in named.items():
            low, high = self.intervals[name]
            table.add_row(words[name], f"{value:.1%}", f"{low:.1%} to {high:.1%}")
        for part, own in zip(self.saved.parts, s.parts, strict=True):
            table.add_row(f"{part.name}, top-1", f"{own.top1:.1%}")
            table.add_row(f"{part.name}, top-5", f"{own.top5:.1%}")
        table.add_row("macro-F1", f"{s.macro_f1:.1%}")
        table.add_row("calibration error", f"{self.calibration.error:.1%}")
        if told := self.acceptance:
            right = "none" if told["accuracy"] is None else f"{told['accuracy']:.1%}"
            table.add_row("answers that count", f"{told['coverage']:.1%}", f"right: {right}")
        table.caption = (
            f"{views['frames']} frames x {views['clips']} clips x {views['crops']} crops; "
            f"{len(self.unreadable)} unreadable videos"
        )
        if self.fewer_bits:
            table.caption += f"\n{self.fewer_bits.line()}"
        return table


def part_scores(scores: Scores) -> dict[str, Any]:
    """A part's own scores, with intervals."""
    names = ("top1", "top5", "mean_class", "macro_f1")
    told: dict[str, Any] = {name: getattr(scores, name) for name in names}
    return told | {"intervals": {n: interval(told[n], scores.n) for n in ("top1", "top5")}}


def per_class(confusion: Confusion, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row a class, in order: videos, answers, precision, recall (its own accuracy), F1.

    Of very many classes, those that occur or are answered. What cannot be said is None.
    """
    columns = {
        "n": confusion.support.tolist(),
        "answered": confusion.answered.tolist(),
        "accuracy": _plain(confusion.recall.tolist()),
        "precision": _plain(confusion.precision.tolist()),
        "recall": _plain(confusion.recall.tolist()),
        "f1": _plain(confusion.f1.tolist()),
    }
    rows = [
        {"name": name} | dict(zip(columns, values, strict=True))
        for name, *values in zip(names, *columns.values(), strict=True)
    ]
    few = len(names) <= LISTED
    return [row for row in rows if few or row["n"] or row["answered"]]


def most_confused(
    confusion: Confusion, names: tuple[str, ...], *, most: int | None = CONFUSED
) -> list[dict[str, Any]]:
    """Pairs of classes: how many videos of one were taken for the other, of how many."""
    support = confusion.support.tolist()
    return [
        {"truth": names[truth], "predicted": names[said], "n": n, "of": support[truth]}
        for truth, said, n in confusion.mistakes[:most]
    ]


def _plain(values: list[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]
