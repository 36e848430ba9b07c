"""AdaptFormer: a scaled bottleneck beside each MLP.

Source: Chen et al., "AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition"
(arXiv 2205.13535); code ShoufaChen/AdaptFormer at 6967d67, `models/adapter.py`, `vit_image.py` and
`vit_video.py`. The adapter reads the tokens before the norm, as the code has it (its author: the
paper's Figure 2b is wrong). The authors' video model is a VideoMAE transformer over the tokens of
all frames, ``tokens="joint"``; on the frames of an image model AdaptFormer is others' baseline.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone, OpenBlock
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import MeanFrameReadout, Readout, Stem
from stillmotion.nn.bottleneck import Bottleneck
from stillmotion.nn.feature_norm import FeatureNorm
from stillmotion.nn.head import normal_linear
from stillmotion.nn.sincos import sincos
from stillmotion.shapes import NormalisedClip, Reach, Tokens


@register
@dataclass(frozen=True, kw_only=True)
class AdaptFormer(Method):
    """A scaled bottleneck beside each MLP. By default, frames are seen one by one.

    The defaults are the authors' image model; `video` is their video model. There are no published
    settings for Kinetics-400: they start from weights trained on it.
    """

    name = "adaptformer"
    presets: ClassVar[tuple[str, ...]] = ("video",)

    hidden: int = 64
    """Width of the adapters."""
    scale: float = 0.1
    """Of every adapter."""
    placement: Literal["parallel", "sequential"] = "parallel"
    """The adapter reads what enters the MLP's norm, or what leaves the MLP."""
    tokens: Literal["frame", "joint"] = "frame"
    """Attention within each frame, or over the tokens of all frames."""
    position: Literal["image", "sincos"] = "image"
    """The image model's own, the same in each frame, or a fixed one over the tokens of all frames
    in its place. Rotary positions, which lie inside the attention, stay as they are."""
    init: Literal["zero", "trunc_normal"] = "zero"
    """``zero``: adapters change nothing at first. ``trunc_normal``: what the authors' video model
    does to all its new layers, whose adapters therefore do not start at zero."""
    adapter_dropout: float = 0.1
    """Inside the adapters: 0.1 in the authors' image model, 0 in their video model."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "hidden", least=1)
        within(self, "adapter_dropout", least=0, most=1)

    @classmethod
    def video(cls) -> "AdaptFormer":
        """The authors' video model."""
        return cls(tokens="joint", position="sincos", init="trunc_normal", adapter_dropout=0.0)

    @property
    def sees_order(self) -> bool:
        return self.position == "sincos"

    @property
    def is_causal(self) -> bool:
        return self.tokens == "frame" and self.position == "image"

    @property
    def starts_as_image_model(self) -> bool:
        return (self.position, self.init) == ("image", "zero")

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        """The authors train a norm after pooling, which VideoMAE's weights do not have."""
        return backbone.final_norm.parameters() if self.tokens == "joint" else ()

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> Stem:
        return Stem() if self.position == "image" else SinCosStem(backbone, num_frames)

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        std = 0.02 if self.init == "trunc_normal" else None
        adapter = Bottleneck(
            frozen.dim,
            self.hidden,
            activation=nn.functional.relu,
            dropout=self.adapter_dropout,
            std=std,
            up_std=std,
        )
        return AdaptFormerBlock(
            frozen,
            adapter,
            scale=self.scale,
            joint=self.tokens == "joint",
            sequential=self.placement == "sequential",
        )

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return MeanFrameReadout(backbone) if self.tokens == "joint" else Readout(backbone)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        return normalised_linear(dim, num_classes)


class AdaptFormerBlock(nn.Module):
    """x = x + attn(norm1 x);  x = x + mlp(norm2 x) + s adapter(x)

    Sequential: m = mlp(norm2 x), x = x + m + s adapter(m).
    """

    def __init__(
        self, frozen: OpenBlock, adapter: Bottleneck, *, scale: float, joint: bool, sequential: bool
    ) -> None:
        super().__init__()
        self.frozen, self.adapter, self.scale = frozen, adapter, scale
        self.joint, self.sequential = joint, sequential

    @property
    def reach(self) -> Reach:
        return None if self.joint else (0, 0)

    def forward(self, x: Tokens) -> Tokens:
        f = self.frozen
        attn = f.attn_jointly if self.joint else f.attn
        x = x + attn(f.norm1(x))
        m = f.mlp(f.norm2(x))
        return x + m + self.scale * self.adapter(m if self.sequential else x)


class SinCosStem(Stem):
    """Tokens with fixed positions that count through all frames, in the place of absolute ones."""

    position: Float[Tensor, "T N C"]

    def __init__(self, backbone: OpenBackbone, num_frames: int) -> None:
        super().__init__()
        steps, num_tokens = backbone.num_steps(num_frames), backbone.grid.num_tokens
        places = torch.arange(steps * num_tokens, dtype=torch.float64)
        position = sincos(places, backbone.dim).float().unflatten(0, (steps, num_tokens))
        self.register_buffer("position", position, persistent=False)

    def forward(self, backbone: OpenBackbone, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        x = backbone.tokens(clip)
        return backbone.enter(x + self.position[: x.shape[1]])


def normalised_linear(dim: int, num_classes: int) -> nn.Sequential:
    """The authors' classifier: features are normalised, then a linear layer."""
    norm = FeatureNorm(dim, affine=False, eps=1e-6)
    return nn.Sequential(norm, normal_linear(dim, num_classes, std=0.01))
