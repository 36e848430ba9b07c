"""Models that are ready to be asked, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain, count
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.answering import logits_of_views
from stillmotion.as_trained import sampling_of
from stillmotion.checkpoint import find
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Predictor
from stillmotion.settings import MEMORY_GIB
from stillmotion.sharing import shares
from stillmotion.web.flow import Excess, central_square, flow_excess
from stillmotion.web.schemas import Box, ModelTold, VideoTold


class Hosted:
    """A model under the name by which it is asked for.

    Args:
        name: for people.
        source: where it came from, for people; None: from a program.
        device: where to compute; None: a GPU where there is one.
        memory_gib: bound on the tensors of the clips that are shown at once, in GiB.

    Raises:
        ConfigurationError: a device that is not there, or a model that needs boxes.
    """

    def __init__(
        self,
        name: str,
        model: VideoClassifier,
        *,
        source: str | None = None,
        device: str | None = None,
        memory_gib: float = MEMORY_GIB,
    ) -> None:
        self.name, self.model, self.source = name, model, source
        self.predictor = Predictor(model, device=device, memory_gib=memory_gib)
        self.sampling = sampling_of(model)
        if self.sampling.region == "boxes":
            raise ConfigurationError(
                f"{name} was trained on boxes around a subject, and nobody says where it is in a "
                "video that is sent here: serve a model of region motion or frame"
            )

    def logits(self, clips: UInt8[Tensor, "B T 3 size size"]) -> Float[Tensor, "B W"]:
        """What is said of each clip; where classes are combinations, of their parts side by side.

        Float32 on the CPU.
        """
        views = clips[:, None].to(self.predictor.device)
        return logits_of_views(self.predictor.chunked, views, self.predictor.sizes)[:, 0]

    def flow(self, clip: UInt8[Tensor, "T 3 size size"]) -> Excess:
        """How strongly attention changes in a clip.

        Raises:
            ConfigurationError: the model's blocks show no flow.
        """
        return flow_excess(self.model, clip)

    @cached_property
    def why_no_flow(self) -> str | None:
        """Why there is no flow to show; None where there is."""
        if self.sampling.region != "frame":
            return "this model looks at a part of the frame that moves along"
        size = self.model.backbone.image_size
        try:
            self.flow(torch.zeros(min(2, self.model.num_frames), 3, *size, dtype=torch.uint8))
        except ConfigurationError as error:
            return str(error)
        return None

    def box_in(self, video: VideoTold) -> Box:
        """What of a video's picture the model sees."""
        size = self.model.backbone.image_size[0]
        part = size / (self.predictor.views.short_side or size)
        return central_square(width=video.width, height=video.height, part=part)

    def told(self, model_id: str, others: Mapping[str, Hosted]) -> ModelTold:
        """The model as it is said over HTTP."""
        there = [i for i, o in others.items() if i != model_id and shares(self.model, o.model)]
        return ModelTold(
            id=model_id,
            name=self.name,
            source=self.source,
            method=self.model.method.name,
            backbone=self.model.backbone.title,
            class_names=list(self.model.class_names),
            num_frames=self.model.num_frames,
            image_size=self.model.backbone.image_size[0],
            trained_parameters=sum(t.numel() for t in self.model.adapter_tensors().values()),
            shares=there,
            has_flow=self.why_no_flow is None,
        )


def told_source(source: str) -> str:
    """Where a model comes from, as it was written; of a run, which of its checkpoints.

    >>> told_source("someone/doors-on-the-hub")
    'someone/doors-on-the-hub'
    """
    return str(find(source)) if Path(source).is_dir() else source


def named(sources: Iterable[str]) -> list[str]:
    """An id for each run, from its directory's name; no two alike.

    >>> named(["runs/doors/best", "runs/doors/last", "other/doors", "someone/Hand signs"])
    ['doors', 'doors-last', 'doors-2', 'hand-signs']
    """
    found: list[str] = []
    for source in sources:
        path = Path(source)
        run = path.parent.name if path.name in ("best", "last") else ""
        word = path.name if not run else run if path.name == "best" else f"{run}-last"
        plain = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "model"
        numbered = (f"{plain}-{number}" for number in count(2))
        found.append(next(name for name in chain([plain], numbered) if name not in found))
    return found
