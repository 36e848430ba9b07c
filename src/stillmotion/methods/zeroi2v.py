"""ZeroI2V: some heads look at other frames; linear adapters fold away after training.

Source: Li et al., "ZeroI2V: Zero-Cost Adaptation of Pre-trained Transformers from Image to Video"
(arXiv 2310.01324); code MCG-NJU/ZeroI2V at f091983, `vit_zero_clip.py`, `vit_zero_clip_long.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from stillmotion.backbones import OpenBackbone, OpenBlock, Role
from stillmotion.errors import ConfigurationError
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import TemporalStem
from stillmotion.nn.attention import merge_heads, split_heads
from stillmotion.nn.bottleneck import width_of
from stillmotion.nn.head import normal_linear
from stillmotion.nn.linear_adapter import LinearAdapter, fold_after, fold_before
from stillmotion.nn.shift import shift_channels, shift_channels_
from stillmotion.shapes import Heads, Reach, Tokens


@register
@dataclass(frozen=True, kw_only=True)
class ZeroI2V(Method):
    """Spatio-temporal attention by shifted keys and values, and adapters that merge exactly.

    The defaults are those of ViT-B on Kinetics-400: head 0 reads the frame before, head 1 the frame
    after. Published plans (offsets; divisors):

    ViT-B, 8 and 16 frames of Kinetics-400        (-1, 1); (12, 12)
    ViT-B, Something-Something; 32 frames of UCF  (-1, 1, -2, 2); (12, 12, 12, 12)
    ViT-L, 8 frames of Kinetics-400               (-1, 1); (8, 8)
    ViT-L, 32 frames of Kinetics-400              (-1, 1, -2); (8, 8, 8)
    ViT-L, Something-Something                    (-1, 1, -2, 2, -3); (8, 8, 16, 16, 16)
    """

    name = "zeroi2v"

    adapter_ratio: float = 0.25
    """Width of the adapters as a fraction of the tokens'."""
    scale: float = 0.5
    """Of every adapter: 0.5, and 1.0 for Something-Something."""
    adapters: Literal[0, 3, 4] = 4
    """In each block: before and after the attention, before the MLP, and (the fourth) after it.
    0: none, as after merging."""
    adapter_dropout: float = 0.1
    """Inside the adapters."""
    offsets: tuple[int, ...] = (-1, 1)
    """Frames that ranges of keys and values come from: -1 is the frame before. The first range
    begins at the first channel. At the ends of a clip a frame keeps its own."""
    divisors: tuple[int, ...] = (12, 12)
    """The widths of these ranges, as divisors of the number of channels (or heads)."""
    by: Literal["channels", "heads"] = "channels"
    """Ranges are C // divisor channels, as published, or h // divisor whole heads."""
    dropout: float = 0.5
    """Before the linear layer to the classes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "adapter_ratio", least=0.001)
        within(self, "adapter_dropout", least=0, most=1)
        if len(self.offsets) != len(self.divisors) or any(d < 1 for d in self.divisors):
            raise ConfigurationError(
                f"zeroi2v.divisors {self.divisors}: one number, at least 1, for each of the "
                f"offsets {self.offsets}"
            )

    @property
    def sees_order(self) -> bool:
        return True

    def thawed(self, backbone: OpenBackbone) -> Iterable[nn.Parameter]:
        return backbone.final_norm.parameters()

    def stem(self, backbone: OpenBackbone, *, num_frames: int) -> TemporalStem:
        if 1 < num_frames <= min(map(abs, self.offsets), default=0):
            raise ConfigurationError(
                f"zeroi2v.offsets {self.offsets} lead out of every clip of {num_frames} frames"
            )
        return TemporalStem(backbone, num_frames)

    def block(self, frozen: OpenBlock, *, layer: int, backbone: OpenBackbone) -> nn.Module:
        return ZeroI2VBlock(
            frozen,
            plan=self.plan(frozen),
            attn_in=self.adapter(frozen, present=self.adapters >= 3),
            attn_out=self.adapter(frozen, present=self.adapters >= 3),
            mlp_in=self.adapter(frozen, present=self.adapters >= 3),
            mlp_out=self.adapter(frozen, present=self.adapters == 4),
        )

    def plan(self, frozen: OpenBlock) -> tuple[tuple[int, int], ...]:
        """(offset, number of channels) of each range of a block's keys and values."""
        units, width = frozen.dim, 1
        if self.by == "heads":
            units, width = frozen.num_heads, frozen.dim // frozen.num_heads
        widths = [units // divisor * width for divisor in self.divisors]
        if sum(widths) > frozen.dim or 0 in widths:
            raise ConfigurationError(
                f"zeroi2v: divisors {self.divisors} of {units} {self.by} are "
                f"{[units // d for d in self.divisors]}; each must be at least 1 and together no "
                f"more than {units}"
            )
        return tuple(zip(self.offsets, widths, strict=True))

    def adapter(self, frozen: OpenBlock, *, present: bool) -> nn.Module:
        if not present:
            return nn.Identity()
        hidden = width_of(self.adapter_ratio, frozen.dim)
        return LinearAdapter(frozen.dim, hidden, scale=self.scale, dropout=self.adapter_dropout)

    def classifier(self, dim: int, num_classes: int) -> nn.Module:
        return normal_linear(dim, num_classes, std=0.01)

    def merged(self) -> "ZeroI2V":
        """Without adapters: the shift stays."""
        return replace(self, adapters=0)


class ZeroI2VBlock(nn.Module):
    """x = x + attn_out(attention(q, shift k, shift v)),  q k v = qkv(attn_in(norm1 x))
    x = x + mlp_out(mlp(mlp_in(norm2 x)))
    """

    def __init__(
        self,
        frozen: OpenBlock,
        *,
        plan: tuple[tuple[int, int], ...],
        attn_in: nn.Module,
        attn_out: nn.Module,
        mlp_in: nn.Module,
        mlp_out: nn.Module,
    ) -> None:
        super().__init__()
        self.frozen, self.plan = frozen, plan
        self.attn_in, self.attn_out, self.mlp_in, self.mlp_out = attn_in, attn_out, mlp_in, mlp_out
        offsets = [0, *(offset for offset, _ in plan)]
        self.reach: Reach = (-min(offsets), max(offsets))

    def forward(self, x: Tokens) -> Tokens:
        f = self.frozen
        q, k, v = self.shift(*f.qkv(self.attn_in(f.norm1(x))))
        x = x + self.attn_out(f.out(f.attend(q, k, v)))
        return x + self.mlp_out(f.mlp(self.mlp_in(f.norm2(x))))

    def shift(self, q: Heads, k: Heads, v: Heads) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values, just projected: the first channels of keys and values come from
        other frames. Copies are made only where a backward may follow."""
        shift = shift_channels_
        if torch.is_grad_enabled():
            q, shift = q.contiguous(), shift_channels  # as a view q would keep all of qkv
        k, v = (
            split_heads(shift(merge_heads(heads), self.plan), heads.shape[-3]) for heads in (k, v)
        )
        return q, k, v

    def merge(self) -> None:
        """Fold the adapters into the frozen linear maps (layer scales first)."""
        self.frozen.fold_layer_scale()
        folds: dict[Role, Callable[[nn.Linear, LinearAdapter], None]] = {
            "attn_in": fold_before,
            "attn_out": fold_after,
            "mlp_in": fold_before,
            "mlp_out": fold_after,
        }
        for role, fold in folds.items():
            adapter = getattr(self, role)
            if isinstance(adapter, LinearAdapter):
                for linear in self.frozen.linears(role):
                    fold(linear, adapter)
                setattr(self, role, nn.Identity())
