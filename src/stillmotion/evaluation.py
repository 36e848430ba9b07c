"""How good a model is on videos it has not seen, and whether it uses time at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from rich.table import Table

from stillmotion.answering import Answers, Order, answer
from stillmotion.data.annotations import VideoList
from stillmotion.data.mirror import find_mirror
from stillmotion.data.video import available_decoders
from stillmotion.errors import DataError, StorageError
from stillmotion.files import write_bytes, write_text
from stillmotion.loading import (
    different_classes,
    refuse_mirrored,
    refuse_too_many,
    sampling_of,
    view_loader,
    views_of,
)
from stillmotion.metrics import Scores, accuracy_within, interval, score
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Views
from stillmotion.version import __version__


@dataclass(frozen=True)
class Evaluation:
    """Scores with all that is needed to compare them. `to_dict` documents itself as JSON."""

    scores: Scores
    top1_shuffled: float | None
    top1_reversed: float | None
    split: str
    class_names: tuple[str, ...]
    views: dict[str, int]
    list_sha256: str
    backbone: str | None
    backbone_sha256: str | None
    decoder: str
    unreadable: list[dict[str, str]]
    predictions: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """All but the predictions, JSON-able; fractions in [0, 1]."""
        s = self.scores
        per_class = [
            {"name": name, "n": sum(row), "accuracy": accuracy}
            for name, row, accuracy in zip(self.class_names, s.confusion, s.per_class, strict=True)
        ]
        ordered = {"top1": s.top1, "top5": s.top5}
        timed = {"top1_shuffled": self.top1_shuffled, "top1_reversed": self.top1_reversed}
        rest = asdict(self)
        del rest["scores"], rest["predictions"]
        return {
            **ordered,
            "mean_class": s.mean_class,
            **timed,
            "n": s.n,
            "intervals": {
                name: interval(value, s.n)
                for name, value in (ordered | timed).items()
                if value is not None
            },
            **rest,
            "calibration_error": s.calibration_error,
            "per_class": per_class,
            "confusion": s.confusion,
            "stillmotion_version": __version__,
        }

    def write(self, path: Path) -> None:
        """Write the scores as JSON; beside it a picture, and each video's answer."""
        from stillmotion.visualise.charts import evaluation_picture

        if path.is_dir():
            raise StorageError(f"cannot write {path}: it is a directory; name a file")
        told = self.to_dict()
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.predictions)
        write_bytes(path.with_suffix(".png"), evaluation_picture(told))
        write_text(path.with_name(f"{path.stem}_predictions.jsonl"), lines)
        write_text(path, json.dumps(told, indent=2, ensure_ascii=False) + "\n")

    def table(self) -> Table:
        """The scores for people."""
        s, views = self.scores, self.views
        table = Table(title=f"{self.split}: {s.n} videos, {len(self.class_names)} classes")
        table.add_column("score")
        table.add_column("", justify="right")
        table.add_column("95 % interval", justify="right")
        named = {
            "top-1": s.top1,
            "top-5": s.top5,
            "frames shuffled, top-1": self.top1_shuffled,
            "frames reversed, top-1": self.top1_reversed,
        }
        for name, value in named.items():
            if value is not None:
                low, high = interval(value, s.n)
                table.add_row(name, f"{value:.1%}", f"{low:.1%} to {high:.1%}")
        table.add_row("mean over classes", f"{s.mean_class:.1%}")
        table.add_row("calibration error", f"{s.calibration_error:.1%}")
        table.caption = (
            f"{views['frames']} frames x {views['clips']} clips x {views['crops']} crops; "
            f"{len(self.unreadable)} unreadable videos"
        )
        return table


def evaluate(
    model: VideoClassifier,
    videos: VideoList,
    *,
    split: str = "test",
    views: Views | None = None,
    time_check: bool = True,
    workers: int = 2,
    batch_size: int = 8,
    max_unreadable: float = 0.05,
    accelerator: Accelerator | None = None,
) -> Evaluation:
    """Score a model on labelled videos.

    Args:
        split: what these videos are, for the record.
        views: clips and crops of each video whose probabilities are averaged; None: as in training.
        time_check: also score the same clips with frames shuffled and reversed. A model whose score
            stays does not use time.
        batch_size: clips at once.
        max_unreadable: refuse to score where more than this part of the videos cannot be read.

    Raises:
        DataError: other classes than the model's, or too many unreadable videos.
    """
    views = views or views_of(model)
    refuse_mirrored(views, find_mirror(model.class_names))
    accelerator = accelerator or Accelerator()
    if tuple(videos.classes) != model.class_names:
        raise DataError(different_classes(model.class_names, videos.classes))
    loader = view_loader(
        videos.samples,
        sampling=sampling_of(model),
        image_size=model.backbone.image_size[0],
        views=views,
        workers=workers,
        batch_size=batch_size,
    )
    orders: tuple[Order, ...] = ("given", "shuffled", "reversed") if time_check else ("given",)
    answers = answer(
        model.to(accelerator.device),
        accelerator.prepare(loader),
        orders=orders,
        accelerator=accelerator,
    )
    unreadable = refuse_too_many(answers.failures, videos, max_unreadable)
    return summarise(model, videos, answers, unreadable, split=split, views=views)


def summarise(
    model: VideoClassifier,
    videos: VideoList,
    answers: Answers,
    unreadable: list[dict[str, str]],
    *,
    split: str,
    views: Views,
) -> Evaluation:
    """Answers to scores, with what they are scores of."""
    label = answers.label

    def top1(order: Order) -> float | None:
        said = answers.probabilities.get(order)
        return None if said is None else accuracy_within(said, label, 1)

    return Evaluation(
        scores=score(answers.probabilities["given"], label),
        top1_shuffled=top1("shuffled"),
        top1_reversed=top1("reversed"),
        split=split,
        class_names=model.class_names,
        views={"frames": model.num_frames, "clips": views.clips, "crops": views.crops},
        list_sha256=videos.sha256,
        backbone=model.backbone.name,
        backbone_sha256=model.backbone.sha256,
        decoder=f"pyav {available_decoders()['pyav']}",
        unreadable=unreadable,
        predictions=predictions(model, videos, answers),
    )


def predictions(
    model: VideoClassifier, videos: VideoList, answers: Answers
) -> list[dict[str, Any]]:
    """One row a video: its path, the truth, and what was answered to each order of frames."""
    names = model.class_names
    rows = []
    for i, index in enumerate(answers.index):
        given = answers.probabilities["given"][i]
        row = {
            "path": videos.relative_paths[index],
            "label": names[int(answers.label[i])],
            "predicted": names[int(given.argmax())],
            "confidence": round(float(given.max()), 4),
        }
        for order in answers.probabilities.keys() - {"given"}:
            row[f"predicted_{order}"] = names[int(answers.probabilities[order][i].argmax())]
        rows.append(row)
    return rows
