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
from stillmotion.shapes import Tokens


@register
@dataclass(frozen=True, kw_only=True)
class TemporalProbe(Method):
    """A small temporal module on the frozen features of each frame.

    With `training.cache_clips` the features are computed once, and training takes seconds.
    ``tokens="grid"`` is for actions that a direction tells: one feature a frame hardly says where
    something is. It keeps grid_cells squared times as many numbers of each frame.
    """

    name = "temporal_probe"

    module: Literal["tcn", "transformer"] = "tcn"
    """What follows the features over time."""
    ratio: float = 0.5
    """Its width as a fraction of the features'."""
    tokens: Literal["pooled", "grid"] = "pooled"
    """What it follows: the image model's feature of a frame, or its patches on a coarse grid."""
    grid_cells: int = 4
    """The grid's side."""
    grid_channels: int = 16
    """Numbers that each cell is reduced to."""
    dropout: float = 0.1
    """Inside it, and before the linear layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "ratio", least=0.001)
        within(self, "grid_cells", "grid_channels", least=1)

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
        self.grid = CoarsePatches(method, backbone) if method.tokens == "grid" else None
        followed = backbone.pooled_dim if self.grid is None else self.grid.dim
        self.project = nn.Linear(followed, width, bias=False)  # centring cancels a bias
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
        self.frame_dim += 0 if self.grid is None else self.grid.frame_dim

    def frames(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B T D"]:
        image = super().frames(backbone, x)
        return image if self.grid is None else torch.cat([image, self.grid.frames(x)], dim=-1)

    def summary(self, frames: Float[Tensor, "B T D"]) -> Float[Tensor, "B _"]:
        image, patches = frames.tensor_split([self.norm.normalized_shape[0]], dim=-1)
        image = self.norm(image)
        followed = image if self.grid is None else self.grid(patches)
        changes = self.temporal(self.centre(self.project(followed)))
        return torch.cat([image.mean(dim=1), changes.mean(dim=1)], dim=-1)


class CoarsePatches(nn.Module):
    """Where things are: patches after the last block, averaged over g x g cells (`frames`), then
    each cell reduced, (B, T, g g C) -> (B, T, g g channels).
    """

    cells: Float[Tensor, "gg HW"]

    def __init__(self, method: TemporalProbe, backbone: OpenBackbone) -> None:
        super().__init__()
        last = backbone.last_block
        self.token_grid, self.channels = last.grid, last.dim
        self.register_buffer("cells", last.grid.cells(method.grid_cells), persistent=False)
        self.norm = nn.LayerNorm(last.dim, elementwise_affine=False)
        self.reduce = nn.Linear(last.dim, method.grid_channels, bias=False)
        self.dim = method.grid_cells**2 * method.grid_channels
        self.frame_dim = method.grid_cells**2 * last.dim

    def frames(self, x: Tokens) -> Float[Tensor, "B T ggC"]:
        """What is kept of each frame."""
        _, patches = self.token_grid.split(self.norm(x))
        return (self.cells @ patches.flatten(2, 3)).flatten(2)

    def forward(self, frames: Float[Tensor, "B T ggC"]) -> Float[Tensor, "B T dim"]:
        return self.reduce(frames.unflatten(2, (-1, self.channels))).flatten(2)
