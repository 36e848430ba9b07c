"""A probe that follows the image model's features of each frame over time."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import Readout
from stillmotion.nn.linear_attention import divisor_at_most
from stillmotion.nn.temporal import TCN, Centring, TemporalTransformer


@register
@dataclass(frozen=True, kw_only=True)
class TemporalProbe(Method):
    """A small temporal module on the frozen features of each frame.

    With `training.cache_clips` the features are computed once, and training takes seconds.
    """

    name = "temporal_probe"

    module: Literal["tcn", "transformer"] = "tcn"
    """What follows the features over time."""
    ratio: float = 0.5
    """Its width as a fraction of the features'."""
    dropout: float = 0.1
    """Inside it, and before the linear layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "ratio", least=0.001)

    @property
    def sees_order(self) -> bool:
        return True

    @property
    def reads_frozen_frames(self) -> bool:
        return True

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return TemporalReadout(self, backbone, num_frames)


class TemporalReadout(Readout):
    """[mean of the frames || mean of what the temporal module makes of their changes].

    Frames are normalised first, since the scale of features differs between image models.
    """

    def __init__(self, method: TemporalProbe, backbone: OpenBackbone, num_frames: int) -> None:
        super().__init__(backbone)
        width = max(1, round(method.ratio * backbone.pooled_dim))
        self.norm = nn.LayerNorm(backbone.pooled_dim, elementwise_affine=False)
        self.project = nn.Linear(backbone.pooled_dim, width, bias=False)  # centring cancels a bias
        self.centre = Centring(width, "clip")
        self.temporal = (
            TCN(width, kernel=3, dilations=(1, 2), causal=False, dropout=method.dropout)
            if method.module == "tcn"
            else TemporalTransformer(
                width,
                num_frames=backbone.num_steps(num_frames),
                num_heads=divisor_at_most(width, 12),
                hidden=2 * width,
                layers=1,
                causal=False,
                dropout=method.dropout,
            )
        )
        self.dim = backbone.pooled_dim + width

    def summary(self, frames: Float[Tensor, "B T C"]) -> Float[Tensor, "B D"]:
        frames = self.norm(frames)
        changes = self.temporal(self.centre(self.project(frames)))
        return torch.cat([frames.mean(dim=1), changes.mean(dim=1)], dim=-1)
