"""LoRA: low-rank changes of the frozen linear maps, which add themselves to the weights.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685). Each
frame is seen for itself and frames are averaged: for video it is a baseline, without a published
setting of its own.
"""

from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from stillmotion.backbones import OpenBackbone, OpenBlock, Role
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.nn.low_rank import LowRankLinear
from stillmotion.shapes import Tokens


@register
@dataclass(frozen=True, kw_only=True)
class LoRA(Method):
    """A low-rank change beside attention and MLP linears. It merges exactly."""

    name = "lora"

    rank: int = 8
    """Of every change."""
    alpha: float = 16.0
    """The change is scaled by alpha / rank."""
    targets: tuple[Role, ...] = ("attn_in", "attn_out", "mlp_in", "mlp_out")
    """Which linear maps: queries, keys and values; the attention's output; into and out of the
    MLP. None: the image model as it is, as after merging."""
    adapter_dropout: float = 0.0
    """Before the low-rank maps."""
    dropout: float = 0.0
    """Before the linear layer to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "rank", least=1)
        within(self, "adapter_dropout", least=0, most=1)
        if len(set(self.targets)) < len(self.targets):
            raise ConfigurationError(f"lora.targets {list(self.targets)} names one twice")

    @property
    def is_causal(self) -> bool:
        return True

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        beside = partial(
            LowRankLinear,
            rank=self.rank,
            scale=self.alpha / self.rank,
            dropout=self.adapter_dropout,
        )
        return LoRABlock(frozen, self.targets, beside) if self.targets else frozen

    def merged(self) -> "LoRA":
        """The image model alone."""
        return replace(self, targets=())


class LoRABlock(nn.Module):
    """The frozen block, in which linear maps W became W + s up down."""

    reach = (0, 0)

    def __init__(
        self, frozen: OpenBlock, targets: tuple[Role, ...], beside: partial[LowRankLinear]
    ) -> None:
        super().__init__()
        self.frozen, self.targets = frozen, targets
        for role in targets:
            frozen.replace_linears(role, beside)

    def forward(self, x: Tokens) -> Tokens:
        return self.frozen(x)

    def merge(self) -> None:
        """Add the changes to the weights."""
        for role in self.targets:
            self.frozen.replace_linears(role, LowRankLinear.folded)  # type: ignore[arg-type]
        self.targets = ()
