"""What happens in a video: a trained model, and files of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.answering import average_of_views
from stillmotion.data.annotations import Sample
from stillmotion.data.frame_folder import is_frame_folder
from stillmotion.data.mirror import find_mirror
from stillmotion.data.rows import videos_below
from stillmotion.errors import ConfigurationError, DataError, VideoError
from stillmotion.loading import refuse_mirrored, sampling_of, view_dataset, views_of
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Views

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of one video, the most probable first."""

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.labels[0]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The first ``k`` classes with their probabilities."""
        return list(zip(self.labels, self.probabilities, strict=True))[:k]

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """JSON-able: path, and the first classes with their probabilities."""
        first = [{"label": name, "probability": round(p, 6)} for name, p in self.top(top)]
        return {"path": self.path, "predictions": first}


class Predictor:
    """A model ready to be asked.

        Predictor(stillmotion.load("runs/doors"))("door.mp4").top(5)

    Args:
        model: a trained model.
        views: clips and crops of a video whose probabilities are averaged; None: as in training.
        device: where to compute; None: a GPU where there is one.

    Raises:
        ConfigurationError: for a device that is not there.
    """

    def __init__(
        self,
        model: VideoClassifier,
        *,
        views: Views | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        device = device or best_device()
        try:
            self.device = torch.device(device)
            self.model = model.eval().to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigurationError(f"cannot compute on {device}: {error}") from error
        self.views = views or views_of(model)
        refuse_mirrored(self.views, find_mirror(model.class_names))

    def __call__(self, path: str | PathLike[str]) -> Prediction:
        """Classify one video file.

        Raises:
            VideoError: where it cannot be read, with the reason.
        """
        probabilities = self.probabilities(self.read(Path(path)))
        order = probabilities.argsort(descending=True)
        return Prediction(
            path=str(path),
            labels=tuple(self.model.class_names[i] for i in order.tolist()),
            probabilities=tuple(probabilities[order].tolist()),
        )

    @torch.inference_mode()
    def probabilities(self, views: UInt8[Tensor, "V T 3 height width"]) -> Float[Tensor, " K"]:
        """Class probabilities of the views of one video."""
        return average_of_views(self.model, views[None].to(self.device))[0]

    def read(self, path: Path) -> UInt8[Tensor, "V T 3 height width"]:
        """The views of one video."""
        size = self.model.backbone.image_size[0]
        item = view_dataset(
            [Sample(path, label=0)],
            sampling=sampling_of(self.model),
            image_size=size,
            views=self.views,
        )[0]
        if "error" in item:
            raise VideoError(str(item["error"]))
        clip = item["clip"]
        assert isinstance(clip, Tensor)
        return clip


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
