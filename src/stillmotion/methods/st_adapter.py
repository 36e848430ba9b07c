"""ST-Adapter: a depthwise convolution over space and time inside a bottleneck.

Source: Pan et al., "ST-Adapter: Parameter-Efficient Image-to-Video Transfer Learning"
(arXiv 2206.13559); code linziyi96/st-adapter at b914b38, `models_adapter.py`. The code has no
activation beside the convolution; neither has this.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from stillmotion.backbones import OpenBackbone, OpenBlock, TokenGrid
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import MeanFrameReadout, Trunk
from stillmotion.nn.head import normal_linear
from stillmotion.shapes import Reach, Tokens


@register
@dataclass(frozen=True, kw_only=True)
class STAdapter(Method):
    """The defaults are ViT-B on Kinetics-400 (12 adapters of width 384, before the MLPs).

    Something-Something: ``placement="both"`` (24 adapters). In the last block the adapter before
    the MLP can reach no class token: where the image model reads that alone, it is inert.
    """

    name = "st_adapter"

    width: int = 384
    """Channels of the convolution."""
    kernel: tuple[int, ...] = (3, 1, 1)
    """Its size in frames, rows and columns; odd numbers."""
    placement: Literal["attention", "mlp", "both"] = "mlp"
    """Before the attention, before the MLP, or both."""
    last_blocks: int | Literal["all"] = "all"
    """How many blocks, counted from the end, have adapters."""
    dropout: float = 0.5
    """Before the linear layer to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "width", least=1)
        if self.last_blocks != "all":
            within(self, "last_blocks", least=1)
        if len(self.kernel) != 3 or any(k < 1 or k % 2 == 0 for k in self.kernel):
            raise ConfigurationError(
                f"st_adapter.kernel cannot be {self.kernel}: it is three odd numbers, for frames, "
                "rows and columns"
            )

    @property
    def sees_order(self) -> bool:
        return self.kernel[0] > 1

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        if layer < self.first_block(len(backbone.blocks)):
            return frozen
        places = [p for p in ("attention", "mlp") if self.placement in (p, "both")]
        return STAdapterBlock(
            frozen,
            **{
                f"before_{place}": Conv3dAdapter(
                    frozen.dim, self.width, kernel=self.kernel, grid=frozen.grid
                )
                for place in places
            },
        )

    def first_block(self, depth: int) -> int:
        """The number of the first block that has adapters."""
        if self.last_blocks == "all":
            return 0
        if self.last_blocks > depth:
            raise ConfigurationError(
                f"st_adapter.last_blocks={self.last_blocks}: this image model has {depth}"
            )
        return depth - self.last_blocks

    def trunk(self, backbone: OpenBackbone, *, num_frames: int) -> Trunk:
        trunk = super().trunk(backbone, num_frames=num_frames)
        trained = [name for name, p in trunk.named_parameters() if p.requires_grad]
        if not backbone.reads_patches:
            last = f"blocks.{len(trunk.blocks) - 1}.before_mlp."
            trunk.inert = tuple(name for name in trained if name.startswith(last))
        if len(trunk.inert) == len(trained):
            raise ConfigurationError(
                "st_adapter: the only adapters stand before the last MLP, where they cannot reach "
                "the class token that this image model reads; choose more last_blocks, or "
                "placement='attention' or 'both'"
            )
        return trunk

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> MeanFrameReadout:
        return MeanFrameReadout(backbone)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        return normal_linear(dim, num_classes, std=0.02)


class STAdapterBlock(nn.Module):
    """x = before_attention(x);  x = x + attn(norm1 x)
    x = before_mlp(x);  x = x + mlp(norm2 x)
    """

    def __init__(
        self,
        frozen: OpenBlock,
        *,
        before_attention: nn.Module | None = None,
        before_mlp: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.before_attention = before_attention or nn.Identity()
        self.before_mlp = before_mlp or nn.Identity()
        adapters = [a for a in (before_attention, before_mlp) if a is not None]
        far: int = sum(a.reach for a in adapters)  # type: ignore[misc]
        self.reach: Reach = (far, far)

    def forward(self, x: Tokens) -> Tokens:
        f = self.frozen
        x = self.before_attention(x)
        x = x + f.attn(f.norm1(x))
        x = self.before_mlp(x)
        return x + f.mlp(f.norm2(x))


class Conv3dAdapter(nn.Module):
    """patches + up(conv(down(patches))), (B, T, N, C) -> (B, T, N, C); prefix tokens pass by.

    The convolution is depthwise, over (T, H, W), padded with zeros; it is zero until trained.
    """

    def __init__(self, dim: int, width: int, *, kernel: tuple[int, ...], grid: TokenGrid) -> None:
        super().__init__()
        self.grid, self.reach = grid, kernel[0] // 2
        self.down, self.up = nn.Linear(dim, width), nn.Linear(width, dim)
        padding = tuple(k // 2 for k in kernel)
        self.conv = nn.Conv3d(width, width, kernel, padding=padding, groups=width)  # type: ignore[arg-type]
        for parameter in (self.conv.weight, self.conv.bias, self.down.bias, self.up.bias):
            nn.init.zeros_(parameter)  # type: ignore[arg-type]

    def forward(self, x: Tokens) -> Tokens:
        prefix, patches = self.grid.split(x)  # (B, T, P, C), (B, T, H, W, C)
        u = self.conv(self.down(patches).movedim(-1, 1)).movedim(1, -1)
        return self.grid.join(prefix, patches + self.up(u))
