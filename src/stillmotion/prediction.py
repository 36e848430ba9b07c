"""What happens in a video: a trained model, and files of any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.answering import average_of_views, logits_of_views
from stillmotion.as_trained import mirror_of, sampling_of, views_of
from stillmotion.chunking import Chunked
from stillmotion.data.annotations import Sample
from stillmotion.data.frame_folder import is_frame_folder
from stillmotion.data.parts import sizes_of
from stillmotion.data.rows import videos_below
from stillmotion.data.sampling import Sampling
from stillmotion.errors import ConfigurationError, DataError, VideoError
from stillmotion.fewer_bits import in_fewer_bits
from stillmotion.files import readable
from stillmotion.loading import refuse_mirrored, view_dataset
from stillmotion.metrics import most_probable
from stillmotion.model import VideoClassifier
from stillmotion.quantising import Agreement
from stillmotion.rejection import NONE, Rejection, rejection_of
from stillmotion.settings import MEMORY_GIB, Precision, Views

if TYPE_CHECKING:
    from os import PathLike

COMBINATIONS = 100
"""The most classes of a prediction where classes are combinations: there may be thousands."""


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of one video, the most probable first.

    Attributes:
        confidence: how sure the model is of its first class, calibrated; None where it has no
            threshold.
        threshold: the least confidence of an answer.
    """

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    confidence: float | None = None
    threshold: float = 0.0

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    @property
    def is_none(self) -> bool:
        """Whether the model is less sure than it must be to name a class."""
        return self.confidence is not None and self.confidence < self.threshold

    @property
    def answer(self) -> str:
        """The most probable class, or "none of these"."""
        return NONE if self.is_none else self.label

    def top(self, k: int) -> list[tuple[str, float]]:
        """The first ``k`` classes with their probabilities."""
        return list(zip(self.labels, self.probabilities, strict=True))[:k]

    @property
    def how_sure(self) -> str:
        """For people: what is compared with the threshold; nothing where none is in force."""
        if self.confidence is None:
            return ""
        return f"{self.confidence:.1%} sure, {self.threshold:.1%} needed"

    def told(self, *, top: int = 5) -> str:
        """For people: the first classes; before them, where a threshold is in force, the answer,
        which may be "none of these", and how sure it is."""
        first = "  ".join(f"{name} {p:.1%}" for name, p in self.top(top))
        return f"{self.answer} ({self.how_sure})  {first}" if self.how_sure else first

    def line(self, *, top: int = 5) -> str:
        """For people: the path, and what is `told`."""
        return f"{readable(self.path)}: {self.told(top=top)}"

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """JSON-able: path, the first classes with their probabilities; where there is a threshold,
        the answer, which may be "none of these", and how sure it is."""
        first = [{"label": name, "probability": round(p, 6)} for name, p in self.top(top)]
        told: dict[str, Any] = {"path": readable(self.path), "predictions": first}
        if self.confidence is not None:
            told |= {"answer": self.answer, "confidence": round(self.confidence, 6)}
            told |= {"threshold": self.threshold}
        return told


class Predictor:
    """A model ready to be asked.

        Predictor(stillmotion.load("runs/doors"))("door.mp4").top(5)

    Args:
        model: a trained model.
        views: clips and crops of a video that are averaged, and how; None: as in training.
        device: where to compute; None: a GPU where there is one.
        threshold: the least confidence of an answer, below which it is "none of these"; 0: any;
            None: as the model was calibrated.
        memory_gib: bound on the tensors of the views that are shown at once, in GiB.

    Raises:
        ConfigurationError: for a device that is not there, or a bound that is not above 0.
    """

    def __init__(
        self,
        model: VideoClassifier,
        *,
        views: Views | None = None,
        device: str | torch.device | None = None,
        threshold: float | None = None,
        memory_gib: float = MEMORY_GIB,
    ) -> None:
        device = device or best_device()
        try:
            self.device = torch.device(device)
            self.model = model.eval().to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigurationError(f"cannot compute on {device}: {error}") from error
        self.chunked = Chunked(self.model, memory_gib=memory_gib)
        self.views = views or views_of(model)
        refuse_mirrored(self.views, mirror_of(model))
        self.sizes = sizes_of(model.parts)
        self.rejection = rejection_of(model.info)
        if threshold is not None:
            self.rejection = replace(
                self.rejection or Rejection(threshold=0.0), threshold=threshold
            )

    def __call__(self, path: str | PathLike[str]) -> Prediction:
        """Classify one video file.

        Raises:
            VideoError: where it cannot be read, with the reason.
        """
        return self.prediction(self.probabilities(self.read(Path(path))), path=str(path))

    def prediction(self, probabilities: Float[Tensor, " W"], *, path: str) -> Prediction:
        """Class probabilities, or those of the classes' parts side by side, as an answer."""
        said = probabilities[None]
        first = min(len(self.model.class_names), COMBINATIONS) if self.sizes else said.shape[1]
        best, order = (t[0] for t in most_probable(said, self.sizes, first=first))
        known = self.rejection if self.rejection and self.rejection.threshold > 0 else None
        return Prediction(
            path=path,
            labels=tuple(self.model.class_names[i] for i in order.tolist()),
            probabilities=tuple(best.tolist()),
            confidence=float(known.confidence(said, self.sizes)[0]) if known else None,
            threshold=known.threshold if known else 0.0,
        )

    def quantise(self, precision: Precision, paths: Iterable[Path]) -> Agreement:
        """Answer in fewer bits from now on, if that changes little for some of these videos.

        Returns:
            How little. Videos that cannot be read are passed over.

        Raises:
            DataError, ConfigurationError, QuantisingError: see `fewer_bits.in_fewer_bits`.
        """
        samples = [Sample(path, label=0) for path in paths]
        fewer, agreement = in_fewer_bits(self.model, precision, samples, views=self.views)
        self.chunked = Chunked(fewer, memory_gib=self.chunked.memory_gib)
        return agreement

    def probabilities(self, views: UInt8[Tensor, "V T 3 height width"]) -> Float[Tensor, " W"]:
        """Class probabilities of the views of one video; where classes are combinations, those of
        their parts side by side."""
        return self.probabilities_each(views[None])[0]

    @torch.no_grad()
    def probabilities_each(
        self, views: UInt8[Tensor, "B V T 3 height width"]
    ) -> Float[Tensor, "B W"]:
        """The same of several videos, each with as many views; float32 on the CPU."""
        logits = logits_of_views(self.chunked, views.to(self.device), self.sizes)
        return average_of_views(logits, self.views.average, self.sizes)

    def read(self, path: Path) -> UInt8[Tensor, "V T 3 height width"]:
        """The views of one video."""
        size = self.model.backbone.image_size[0]
        return read_views(path, sampling=sampling_of(self.model), image_size=size, views=self.views)


def read_views(
    path: Path, *, sampling: Sampling, image_size: int, views: Views
) -> UInt8[Tensor, "V T 3 height width"]:
    """The views by which a whole file is judged.

    Raises:
        VideoError: it cannot be read.
    """
    item = view_dataset(
        [Sample(path, label=0)], sampling=sampling, image_size=image_size, views=views
    )[0]
    if "error" in item:
        raise VideoError(str(item["error"]))
    return item["clip"]


def best_device() -> str:
    """A GPU where there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def video_files(paths: list[Path]) -> Iterator[Path]:
    """The files as given, and the videos below each folder.

    A path that is not there is given back: reading it says so.

    Raises:
        DataError: for a folder without videos.
    """
    for path in paths:
        if path.is_dir() and not is_frame_folder(path):
            found = videos_below(path)
            if not found:
                raise DataError(f"there are no videos in {path}")
            yield from found
        else:
            yield path
