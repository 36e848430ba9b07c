"""One published configuration: what its authors print, and what it takes to count ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from stillmotion.accounting import count_parts, measure, without_weights
from stillmotion.methods import Method
from stillmotion.model import VideoClassifier

IMAGE_SIZE = 224
"""Pixels a side, in every publication here."""

CLASSES = {"K400": 400, "K700": 700, "SSv2": 174, "Diving48": 48, "UCF101": 101, "HMDB51": 51}
"""Of the data sets."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """Ours."""

    trained: int
    """Parameters that training changes, without the classifier."""
    parameters: int
    """All, the classifier included; where the authors merge, of the merged model."""
    multiply_adds: int
    """Of all views; where the authors merge, of the merged model."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A published configuration. A figure that is not published, or not known to us, is None."""

    label: str
    """What tells it from the others of its publication."""
    data: str
    """The data set, one of `CLASSES`."""
    backbone: str
    """timm's name of the image model."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of timm's `create_model`, where the image model is not what the name says."""
    method: Method
    merged: bool = False
    """Whether parameters and multiply-adds are printed of the merged model."""
    num_frames: int
    num_clips: int = 1
    num_crops: int = 1
    trained: int | None = None
    """Millions of trained parameters, as printed."""
    parameters: int | None = None
    """Millions of all parameters, as printed."""
    multiply_adds: int | None = None
    """Thousand millions of all views, as printed: most authors call them FLOPs."""
    top1: float | None = None
    """In [0, 1]."""
    top5: float | None = None
    misprints: tuple[str, ...] = ()
    """Which of the figures are taken for misprints; `views` is one of them."""
    unsaid: tuple[str, ...] = ()
    """Which of the figures are ours to guess: `views`, or what `multiply_adds` counts."""

    @property
    def num_views(self) -> int:
        """Clips of a video times crops of a clip."""
        return self.num_clips * self.num_crops

    @property
    def views(self) -> str:
        """Frames x clips x crops."""
        return f"{self.num_frames}x{self.num_clips}x{self.num_crops}"

    def count(self) -> Count:
        """Build ours without weights and count it (up to a second)."""
        parts = count_parts(self._model(self.method))
        used = self._model(self.method.merged() if self.merged else self.method)
        clip = torch.empty(1, self.num_frames, 3, IMAGE_SIZE, IMAGE_SIZE, device="meta")
        return Count(
            trained=sum(p.trained for p in parts if "." not in p.name and p.name != "head"),
            parameters=sum(parameter.numel() for parameter in used.parameters()),
            multiply_adds=measure(used, clip)[0] * self.num_views,
        )

    def _model(self, method: Method) -> VideoClassifier:
        return without_weights(
            self.backbone,
            method,
            num_frames=self.num_frames,
            num_classes=CLASSES[self.data],
            image_size=IMAGE_SIZE,
            arguments=dict(self.arguments),
        )


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The configurations of one method, or of one form of it."""

    title: str
    note: str
    """Where the figures are from, and what has to be known to compare them."""
    entries: tuple[Entry, ...]
