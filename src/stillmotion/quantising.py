"""A model in fewer bits, accepted only where it answers as it does in full."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from stillmotion.errors import ConfigurationError, QuantisingError
from stillmotion.int8 import Int8Classifier
from stillmotion.model import VideoClassifier
from stillmotion.nn.state import relative
from stillmotion.settings import Precision
from stillmotion.shapes import Clip, Logits

CHECKED = 16
"""Clips on which a model in fewer bits is compared with itself in full, where there are so many."""

SAME_CLASS = 0.9
"""The least part of the clips that must keep their class."""

TOLERANCE = 0.1
"""The greatest difference of their logits, relative to the greatest logit."""


@dataclass(frozen=True)
class Agreement:
    """How a model in fewer bits answers beside the one in full.

    Attributes:
        precision: of the model in fewer bits.
        clips: on how many clips both were asked.
        same_class: on how many both name the same class first.
        difference: the greatest difference of the logits, relative to the greatest logit.
    """

    precision: Precision
    clips: int
    same_class: int
    difference: float

    def line(self) -> str:
        """For people."""
        few = f"; {CHECKED} clips would say more" if self.clips < CHECKED else ""
        return (
            f"{self.precision}: {self.same_class} of {self.clips} clips keep their class, and "
            f"logits differ by at most {self.difference:.1%} of the greatest{few}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; what `line` says under ``words``."""
        return asdict(self) | {"words": self.line()}


def quantise(
    model: VideoClassifier,
    precision: Precision,
    clips: UInt8[Tensor, "B T 3 height width"],
    *,
    tolerance: float = TOLERANCE,
) -> tuple[nn.Module, Agreement]:
    """The model in fewer bits, clips to logits, and how it did on the clips it was checked on.

    The given model stays as it is. Merge linear adapters first (`stillmotion.merge`): then fewer
    products are rounded.

    Args:
        clips: to check on, on the model's device; as long as all that it will be asked.
        tolerance: the greatest difference of the logits that is accepted, relative to the greatest.

    Raises:
        ConfigurationError: for int8 of a model that is not on the CPU, or no clips.
        QuantisingError: where classes change, or logits differ by more, or int8 cannot be had.
    """
    if len(clips) == 0:
        raise ConfigurationError(f"{precision} is accepted after a check: give clips for it")
    if precision == "int8" and clips.device.type != "cpu":
        raise ConfigurationError("int8 computes on the CPU: choose that, or bf16")
    fewer = Int8Classifier(model, clips[:1]) if precision == "int8" else BFloat16Classifier(model)
    found = Agreement(precision, *compare(in_turn(model, clips), in_turn(fewer, clips)))
    if found.same_class < SAME_CLASS * found.clips or not found.difference <= tolerance:
        raise QuantisingError(
            f"{found.line()}; {SAME_CLASS:.0%} must keep theirs, and {tolerance:.0%} is allowed. "
            "Stay with fp32"
        )
    return fewer, found


@torch.no_grad()
def in_turn(model: nn.Module, clips: Clip) -> Logits:
    """The logits of each clip, shown alone; float32 on the CPU."""
    return torch.cat([model.eval()(clip[None]) for clip in clips]).float().cpu()


def compare(full: Float[Tensor, "B K"], fewer: Float[Tensor, "B K"]) -> tuple[int, int, float]:
    """How many clips there are, how many keep their class, and how much logits differ at most,
    relative to the greatest."""
    same = int((full.argmax(dim=1) == fewer.argmax(dim=1)).sum())
    return len(full), same, relative(fewer, full)


class BFloat16Classifier(nn.Module):
    """A video model whose matrix products are of bfloat16 numbers; its weights stay as they are."""

    def __init__(self, model: VideoClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, clip: Clip) -> Logits:
        with torch.autocast(clip.device.type, torch.bfloat16):
            return self.model(clip).float()
