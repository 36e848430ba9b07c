"""AIM: one frozen attention, used over time and over space.

Source: Yang et al., "AIM: Adapting Image Models for Efficient Video Action Recognition"
(arXiv 2302.03024); code taoyang1122/adapt-image-models at b3580d2, `vit_clip.py` and
`vit_imagenet.py`: both forms are this one, on a CLIP or on an ImageNet backbone.
Departure: drop path drops a branch for a whole clip. The code drops it for a token position of the
whole batch (CLIP) or for a frame (ImageNet), by the layout of its tensors.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torchvision.ops import StochasticDepth

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import Stem, TemporalStem
from stillmotion.nn.bottleneck import Bottleneck, Nothing, width_of
from stillmotion.nn.head import normal_linear
from stillmotion.shapes import Tokens


@register
@dataclass(frozen=True, kw_only=True)
class AIM(Method):
    """Spatial, temporal and joint adaptation. The defaults are those of ViT-B on Kinetics-400.

    The order of frames is visible through the temporal embedding alone.
    """

    name = "aim"

    adapter_ratio: float = 0.25
    """Width of the adapters as a fraction of the tokens'."""
    scale: float = 0.5
    """Of the joint adapter: 0.5 for Kinetics and Diving48, 1.0 for Something-Something."""
    adapters: Literal[3, 4] = 3
    """In each block; the fourth stands before the temporal attention (Something-Something)."""
    adaptation: Literal["spatial", "temporal", "joint"] = "joint"
    """The paper's stages, each with those before it. Spatial alone has no temporal attention and no
    temporal embedding, so nothing to scale or to drop; temporal has no adapter beside the MLP."""
    drop_path: float = 0.2
    """How often the temporal branch and the joint adapter are left out in the last block; the rate
    rises linearly from 0 in the first."""
    dropout: float = 0.5
    """Before the linear layer to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "adapter_ratio", least=0.001)
        within(self, "drop_path", least=0, most=1)
        if self.adaptation == "spatial" and self.adapters == 4:
            raise ConfigurationError(
                "aim.adapters=4: the fourth stands before the temporal attention, which "
                "aim.adaptation='spatial' does not have"
            )

    @property
    def sees_order(self) -> bool:
        return self.adaptation != "spatial"

    @property
    def is_causal(self) -> bool:
        return self.adaptation == "spatial"

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        return backbone.final_norm.parameters()

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> Stem:
        return Stem() if self.adaptation == "spatial" else TemporalStem(backbone, num_frames)

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        rate = self.drop_path * layer / max(1, len(backbone.blocks) - 1)
        spatial = self.adapter(frozen, skip=True)
        if self.adaptation == "spatial":
            return SpatialBlock(frozen, spatial)
        return AIMBlock(
            frozen,
            spatial=spatial,
            temporal=self.adapter(frozen),
            temporal_in=self.adapter(frozen, skip=True) if self.adapters == 4 else nn.Identity(),
            joint=self.adapter(frozen) if self.adaptation == "joint" else Nothing(),
            scale=self.scale,
            drop_path=StochasticDepth(rate, "row"),
        )

    def adapter(self, frozen: OpenBlock, *, skip: bool = False) -> Bottleneck:
        hidden = width_of(self.adapter_ratio, frozen.dim)
        gelu = nn.functional.gelu
        return Bottleneck(frozen.dim, hidden, activation=gelu, skip=skip, std=0.02)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        return normal_linear(dim, num_classes, std=0.01)


class AIMBlock(nn.Module):
    """x = x + temporal(attn_over_time(temporal_in(norm1 x)))
    x = x + spatial(attn(norm1 x))
    x = x + mlp(z) + s joint(z),  z = norm2 x

    The spatial adapter, and the one before the temporal attention, have a skip of their own.
    """

    def __init__(
        self,
        frozen: OpenBlock,
        *,
        spatial: nn.Module,
        temporal: nn.Module,
        temporal_in: nn.Module,
        joint: nn.Module,
        scale: float,
        drop_path: nn.Module,
    ) -> None:
        super().__init__()
        self.frozen, self.scale, self.drop_path = frozen, scale, drop_path
        self.spatial, self.temporal = spatial, temporal
        self.temporal_in, self.joint = temporal_in, joint

    def forward(self, x: Tokens) -> Tokens:
        f, drop = self.frozen, self.drop_path
        x = x + drop(self.temporal(f.attn_over_time(self.temporal_in(f.norm1(x)))))
        x = x + self.spatial(f.attn(f.norm1(x)))
        z = f.norm2(x)
        return x + f.mlp(z) + drop(self.scale * self.joint(z))


class SpatialBlock(nn.Module):
    """The paper's first stage, nothing over time: x = x + spatial(attn(norm1 x)), then the MLP."""

    reach = (0, 0)

    def __init__(self, frozen: OpenBlock, spatial: nn.Module) -> None:
        super().__init__()
        self.frozen, self.spatial = frozen, spatial

    def forward(self, x: Tokens) -> Tokens:
        f = self.frozen
        x = x + self.spatial(f.attn(f.norm1(x)))
        return x + f.mlp(f.norm2(x))
