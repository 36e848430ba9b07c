"""DualPath: one path sees sixteen frames in a grid, the other sees single frames.

Source: Park et al., "Dual-path Adaptation from Image to Video Transformers" (arXiv 2303.09857);
code park-jungin/DualPath at cc90924, `CLIP_custom/clip/model.py` and `engine_finetune_clip.py`,
which do not run as published (see docs/methods.md).
Departures: a clip may have any number of frames (the code: a multiple of 16); the text model's
positions, which the code trains and never reads, do not exist here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import Readout, Stem
from stillmotion.nn.bottleneck import Bottleneck, width_of
from stillmotion.nn.frame_grid import frame_grids, frame_numbers
from stillmotion.nn.sincos import sincos
from stillmotion.shapes import NormalisedClip, Tokens

PLACES = ("grid_in", "grid_attention", "grid_mlp", "spatial_attention", "spatial_mlp")


@register
@dataclass(frozen=True, kw_only=True)
class DualPath(Method):
    """One path sees frames in a grid, the other one by one.

    The defaults are the authors' code's for ViT-B: five adapters a block, 16 frames.
    """

    name = "dualpath"

    adapter_ratio: float = 0.25
    """Width of the adapters as a fraction of the tokens'."""
    adapter_dropout: float = 0.1
    """Inside the adapters."""
    grid_side: int = 4
    """A grid picture shows so many frames a side; its square are the frames of one picture."""
    spatial_frames: int = 8
    """Frames that the spatial path sees, evenly spaced."""
    antialias: bool = False
    """How the grid is resized. The authors' torchvision did not smooth; today's does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "adapter_ratio", least=0.001)
        within(self, "adapter_dropout", least=0, most=1)
        within(self, "grid_side", "spatial_frames", least=1)

    @property
    def sees_order(self) -> bool:
        return True

    @property
    def starts_as_image_model(self) -> bool:
        """The spatial path does; the grid path passes its tokens through unchanged."""
        return False

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        return backbone.embeddings

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> Stem:
        if backbone.tubelet > 1:
            raise ConfigurationError(
                f"dualpath takes image models of single frames; this one makes one token of "
                f"{backbone.tubelet}, and grid pictures do not follow each other in time"
            )
        return DualPathStem(self, backbone, num_frames)

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        hidden = width_of(self.adapter_ratio, frozen.dim)
        adapters = {
            place: Bottleneck(
                frozen.dim, hidden, activation=nn.functional.gelu, dropout=self.adapter_dropout
            )
            for place in PLACES
        }
        return DualPathBlock(frozen, adapters, spatial_frames=self.spatial_frames)

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return DualPathReadout(backbone, spatial_frames=self.spatial_frames)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        return two_layers(dim, num_classes)


class DualPathStem(Stem):
    """Grid pictures with positions of their own and a fixed code of time, then single frames.

    (B, T, 3, H, W) -> (B, grids + spatial frames, N, C). The code of time says of each patch which
    frame it shows, from 1; prefix tokens have 0.
    """

    time: Float[Tensor, "grids N C"]

    def __init__(self, method: DualPath, backbone: OpenBackbone, num_frames: int) -> None:
        super().__init__()
        self.side, self.antialias = method.grid_side, method.antialias
        self.spatial_frames = method.spatial_frames
        grid, dim = backbone.grid, backbone.dim
        self.grid_position = nn.Parameter(dim**-0.5 * torch.randn(grid.num_tokens, dim))
        num_grids = -(-num_frames // self.side**2)
        numbers = frame_numbers(
            num_grids, (grid.height, grid.width), side=self.side, antialias=self.antialias
        )
        numbers = nn.functional.pad(numbers.flatten(1), (grid.prefix, 0))
        self.register_buffer("time", sincos(numbers, dim), persistent=False)

    def forward(self, backbone: OpenBackbone, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        grids = frame_grids(clip, side=self.side, antialias=self.antialias)
        in_grids = backbone.tokens(grids) + self.grid_position + self.time[: grids.shape[1]]
        num_frames = clip.shape[1]
        spread = [i * num_frames // self.spatial_frames for i in range(self.spatial_frames)]
        return backbone.enter(torch.cat([in_grids, backbone.placed(clip[:, spread])], dim=1))


class DualPathBlock(nn.Module):
    """The grid path, with adapters in series, and the spatial path, with adapters in parallel.

    t = t + grid_attention(attn(grid_in(norm1 t)))
    t = t + grid_mlp(mlp(norm2 t))

    s = s + attn(z) + spatial_attention(z),  z = norm1 s
    s = s + mlp(z) + spatial_mlp(z),  z = norm2 s
    """

    def __init__(
        self, frozen: OpenBlock, adapters: dict[str, Bottleneck], *, spatial_frames: int
    ) -> None:
        super().__init__()
        self.frozen, self.spatial_frames = frozen, spatial_frames
        self.adapters = nn.ModuleDict(adapters)

    def forward(self, x: Tokens) -> Tokens:
        grids, frames = x[:, : -self.spatial_frames], x[:, -self.spatial_frames :]
        return torch.cat([self.grid_path(grids), self.spatial_path(frames)], dim=1)

    def grid_path(self, t: Tokens) -> Tokens:
        f, a = self.frozen, self.adapters
        t = t + a["grid_attention"](f.attn(a["grid_in"](f.norm1(t))))
        return t + a["grid_mlp"](f.mlp(f.norm2(t)))

    def spatial_path(self, s: Tokens) -> Tokens:
        f, a = self.frozen, self.adapters
        z = f.norm1(s)
        s = s + f.attn(z) + a["spatial_attention"](z)
        z = f.norm2(s)
        return s + f.mlp(z) + a["spatial_mlp"](z)


class DualPathReadout(Readout):
    """[mean over grid pictures || mean over frames] of what CLIP projects, (B, 2 E).

    An image model that has no projection is read as it is, E = C.
    """

    projection: Float[Tensor, "E C"] | None

    def __init__(self, backbone: OpenBackbone, *, spatial_frames: int) -> None:
        super().__init__(backbone)
        self.spatial_frames = spatial_frames
        self.register_buffer("projection", backbone.projection)
        width = backbone.pooled_dim if backbone.projection is None else len(backbone.projection)
        self.dim = 2 * width

    def summary(self, frames: Float[Tensor, "B T C"]) -> Float[Tensor, "B D"]:
        x = frames if self.projection is None else frames @ self.projection.T
        paths = x[:, : -self.spatial_frames], x[:, -self.spatial_frames :]
        return torch.cat([path.mean(dim=1) for path in paths], dim=-1)


def two_layers(dim: int, num_classes: int) -> nn.Sequential:
    """The authors' classifier."""
    return nn.Sequential(nn.Linear(dim, dim // 2), nn.GELU(), nn.Linear(dim // 2, num_classes))
