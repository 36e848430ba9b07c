"""What a model said of each video, kept in a file: to compare and to join models without asking.

`NAME_scores.safetensors` holds `probabilities` and `logits`, each (n, W) and averaged over the
views of a video, and `labels` (n,). Its metadata says which videos, which classes, and how they
were asked about. Where classes are combinations, the columns are those of all parts side by side.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, float32, int64

from stillmotion.data.manifest import Metric
from stillmotion.data.parts import Part, combinations, sizes_of
from stillmotion.errors import DataError
from stillmotion.files import write_bytes
from stillmotion.given_files import from_json, refuse_endless
from stillmotion.metrics import softmax

FORMAT = "stillmotion scores 1"

Video = tuple[str, float | None, float | None]
"""A path below the folder of all videos, and where the part begins and ends, in seconds."""


@dataclass(frozen=True, eq=False)
class SavedScores:
    """A model's scores of n videos; rows in the order of `videos`.

    Attributes:
        probabilities, logits: each the mean over the views of a video.
        average: which of the two the model answers with.
        classes: names of the classes; empty where parts name them.
        metric: the score that is named first.
        told: how the videos were asked about: hashes, views, split; plain values.
    """

    videos: tuple[Video, ...]
    labels: Int[Tensor, " n"]
    probabilities: Float[Tensor, "n W"]
    logits: Float[Tensor, "n W"]
    average: Literal["probabilities", "logits"]
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    metric: Metric
    told: dict[str, Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Classes of each part; nothing where classes are no combinations."""
        return sizes_of(self.parts)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, combinations too."""
        return combinations(self.parts) if self.parts else self.classes

    @property
    def answers(self) -> Float[Tensor, "n W"]:
        """The probabilities that the model answers with."""
        if self.average == "probabilities":
            return self.probabilities
        return softmax(self.logits, self.sizes)

    def write(self, path: Path) -> None:
        """Write one safetensors file."""
        tensors = {
            "probabilities": self.probabilities.float().contiguous(),
            "logits": self.logits.float().contiguous(),
            "labels": self.labels.contiguous(),
        }
        described = {
            "videos": self.videos,
            "average": self.average,
            "classes": self.classes,
            "parts": {part.name: part.classes for part in self.parts},
            "metric": self.metric,
            "told": self.told,
        }
        text = json.dumps(described, ensure_ascii=False)
        write_bytes(path, to_bytes(tensors, metadata={"format": FORMAT, "described": text}))


def read_scores(path: Path) -> SavedScores:
    """The inverse of `SavedScores.write`.

    Raises:
        DataError: the file is missing, damaged, or another kind of file.
    """
    try:
        refuse_endless(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(
            f"cannot read {path} as a run, an evaluation (.json) or a file of scores: {error}"
        ) from error
    if metadata.get("format") != FORMAT:
        raise DataError(f"{path} holds no scores: `stillmotion evaluate` writes them")
    try:
        described = from_json(metadata["described"])
        scores = SavedScores(
            videos=tuple((str(p), moment(s), moment(e)) for p, s, e in described["videos"]),
            parts=tuple(Part(n, tuple(map(str, c))) for n, c in described["parts"].items()),
            classes=tuple(map(str, described["classes"])),
            average=described["average"],
            metric=described["metric"],
            told=dict(described["told"]),
            **tensors,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    check(scores, path)
    return scores


def moment(told: Any) -> float | None:
    """Seconds, or nothing."""
    return None if told is None else float(told)


def check(scores: SavedScores, path: Path) -> None:
    """Refuse a file whose pieces do not fit each other.

    Raises:
        DataError: with what does not fit.
    """
    if scores.average not in ("probabilities", "logits") or scores.metric not in get_args(Metric):
        raise DataError(f"{path} is damaged: {scores.average} and {scores.metric} are no scores")
    numbers = (scores.probabilities, scores.logits)
    if scores.labels.dtype != int64 or not all(x.dtype == float32 for x in numbers):
        raise DataError(f"{path} is damaged: scores are float32, and labels int64")
    if not all(bool(x.isfinite().all()) for x in numbers):
        raise DataError(f"{path} is damaged: some scores are not finite")
    n, width = len(scores.videos), sum(scores.sizes) or len(scores.classes)
    shapes = [tuple(t.shape) for t in (scores.probabilities, scores.logits, scores.labels)]
    labels = scores.labels.tolist()
    known = len(scores.class_names)
    if shapes != [(n, width), (n, width), (n,)] or not all(0 <= i < known for i in labels):
        raise DataError(f"{path} is damaged: {n} videos and {width} columns, but shapes {shapes}")
