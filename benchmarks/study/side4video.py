"""A published side network, to compare AM Flow's side form with: Side4Video.

Source: Yao et al., "Side4Video: Spatial-Temporal Side Network for Memory-Efficient Image-to-Video
Transfer Learning" (arXiv 2311.15769); code HJYao00/Side4Video at 3b1417f,
`Recognition/clip/model.py`. The idea of a ladder beside a frozen stream is that of Sung et al.,
"LST: Ladder Side-Tuning" (arXiv 2206.06522).

Departures: the side state begins with a convolution over three frames of the patches as they enter
the first block, not of the pixels: it sees what the frozen embedding and its positions leave of
them. A width below 128 has one head (the authors' heads are 64 wide). For image models with one
class token.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, frozen_block
from stillmotion.methods import Method, register
from stillmotion.methods.parts import Readout, Trunk
from stillmotion.shapes import Tokens

Patches = Float[Tensor, "B T P S"]
"""The side state: S numbers a patch."""


@register
@dataclass(frozen=True, kw_only=True)
class Side4Video(Method):
    """A narrow video transformer beside the frozen one, fed by each of its blocks."""

    name = "side4video"

    ratio: float = 320 / 768
    """The side network's width as a fraction of the image model's."""

    @property
    def sees_order(self) -> bool:
        return True

    @property
    def starts_as_image_model(self) -> bool:
        return False

    def width(self, backbone: OpenBackbone) -> int:
        """Of the side state."""
        return round(self.ratio * backbone.dim)

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> Trunk:
        return SideTrunk(backbone, self.width(backbone))

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return SideReadout(backbone, self.width(backbone))


class SideTrunk(Trunk):
    """s_0 = norm(conv(patches));  s_l = rung_l((s_(l-1) + W_l LayerNorm(x_l)) / 2, its class token)

    x_l are the tokens after block l, (B, T, 1 + P, C). Tokens out are those of the side, s_L.
    """

    def __init__(self, backbone: OpenBackbone, width: int) -> None:
        super().__init__(list(backbone.blocks))
        dims = [frozen_block(block).dim for block in backbone.blocks]
        patches = frozen_block(backbone.blocks[0]).grid.num_tokens - 1
        self.first = nn.Conv2d(backbone.dim, width, (3, 1), padding=(1, 0))
        self.norm = ChannelNorm(width)
        self.into = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, width)) for dim in dims
        )
        self.rungs = nn.ModuleList(Rung(width) for _ in dims)
        self.places = nn.Parameter(0.01 * torch.randn(patches, width))

    def forward(self, x: Tokens) -> tuple[Patches, list[Tensor]]:
        side = self.norm(over_time(self.first, x[:, :, 1:]))
        for block, into, rung in zip(self.blocks, self.into, self.rungs, strict=True):
            (x,) = self.through(block, x)
            told = into(x)
            side = rung((side + told[:, :, 1:]) / 2, told[:, :, :1], self.places)
        return side, []


class Rung(nn.Module):
    """s = s + conv(norm s);  s = s + attention(norm [class || s + places]);  s = s + mlp(norm s)

    The convolution is depthwise over three frames. Patches alone ask; they see each other and the
    class token, whose halves are those of the frames after and before.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (
            ChannelNorm(width),
            nn.LayerNorm(width),
            ChannelNorm(width),
        )
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, width, (3, 1), padding=(1, 0), groups=width),
            nn.Conv2d(width, width, 1),
        )
        self.attention = nn.MultiheadAttention(width, max(1, width // 64), batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        out = (24 * width) ** -0.5  # the authors' 2 x 12, whatever the depth
        nn.init.normal_(self.attention.in_proj_weight, std=width**-0.5)
        nn.init.normal_(self.attention.out_proj.weight, std=out)
        nn.init.normal_(self.mlp[0].weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.mlp[2].weight, std=out)

    def forward(
        self, s: Patches, token: Float[Tensor, "B T 1 S"], places: Float[Tensor, "P S"]
    ) -> Patches:
        s = s + over_time(self.conv, self.norm1(s))
        tokens = torch.cat([swapped(token), s + places], dim=2).flatten(0, 1)
        tokens = self.norm2(tokens)
        seen, _ = self.attention(tokens[:, 1:], tokens, tokens, need_weights=False)
        s = s + seen.unflatten(0, s.shape[:2])
        return s + self.mlp(self.norm3(s))


class SideReadout(Readout):
    """The mean of the side's tokens over patches and frames, normalised."""

    def __init__(self, backbone: OpenBackbone, width: int) -> None:
        super().__init__(backbone)
        self.dim, self.norm = width, ChannelNorm(width)

    def forward(self, backbone: OpenBackbone, x: Patches) -> Float[Tensor, "B S"]:
        return self.norm(x).mean(dim=(1, 2))


class ChannelNorm(nn.BatchNorm1d):
    """Batch normalisation of each channel over clips, frames and patches."""

    def forward(self, x: Patches) -> Patches:
        return super().forward(x.flatten(0, 2)).unflatten(0, x.shape[:3])


def over_time(conv: nn.Module, x: Float[Tensor, "B T P C"]) -> Patches:
    """A convolution on (B, C, T, P)."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def swapped(token: Float[Tensor, "B T 1 S"]) -> Float[Tensor, "B T 1 S"]:
    """Half of the channels of the next frame, half of those of the frame before; 0 outside."""
    half = token.shape[-1] // 2
    after, before = torch.zeros_like(token[..., :half]), torch.zeros_like(token[..., half:])
    after[:, :-1], before[:, 1:] = token[:, 1:, :, :half], token[:, :-1, :, half:]
    return torch.cat([after, before], dim=-1)
