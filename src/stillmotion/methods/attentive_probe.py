"""A probe that looks for itself: one learned query over the tokens of all frames."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones import OpenBackbone
from stillmotion.fields import within
from stillmotion.methods.base import Method, register
from stillmotion.methods.parts import Readout
from stillmotion.nn.linear_attention import divisor_at_most
from stillmotion.shapes import Tokens


@register
@dataclass(frozen=True, kw_only=True)
class AttentiveProbe(Method):
    """One learned query attends to the tokens of all frames; then an MLP and a linear layer.

    Source: the attentive probe of Bardes et al., "V-JEPA" (arXiv 2404.08471), appendix on frozen
    evaluation. Departure: a learned vector for each frame, zero at first, since image models do not
    say which frame a token is from. With `training.cache_clips` the tokens are computed once.
    """

    name = "attentive_probe"

    heads: int = 12
    """Of the attention; where they do not divide the width, the next smaller number that does."""
    mlp_ratio: float = 4.0
    """Width of the MLP as a multiple of the tokens'."""
    order: bool = True
    """Add the learned vector for each frame; without it the order is not seen."""
    dropout: float = 0.0
    """Before the linear layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "heads", least=1)
        within(self, "mlp_ratio", least=0.001)

    @property
    def sees_order(self) -> bool:
        return self.order

    @property
    def reads_frozen_frames(self) -> bool:
        return True

    def readout(self, backbone: OpenBackbone, *, num_frames: int) -> Readout:
        return AttentiveReadout(self, backbone, num_frames)


class AttentiveReadout(Readout):
    """y = query + attention(query, norm(x + time));  y + mlp(norm y)."""

    def __init__(self, method: AttentiveProbe, backbone: OpenBackbone, num_frames: int) -> None:
        super().__init__(backbone)
        dim, steps = backbone.pooled_dim, backbone.num_steps(num_frames)
        self.frame_dim = backbone.last_block.grid.num_tokens * dim
        self.time = nn.Parameter(torch.zeros(steps, 1, dim)) if method.order else None
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        heads = divisor_at_most(dim, method.heads)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        hidden = max(1, round(method.mlp_ratio * dim))
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def frames(self, backbone: OpenBackbone, x: Tokens) -> Float[Tensor, "B T NC"]:
        """All tokens of each frame, one behind the other."""
        return backbone.norm(x).flatten(2)

    def summary(self, frames: Float[Tensor, "B T NC"]) -> Float[Tensor, "B D"]:
        x = frames.unflatten(2, (-1, self.dim))
        x = self.norm1(x if self.time is None else x + self.time[: x.shape[1]]).flatten(1, 2)
        query = self.query.expand(x.shape[0], -1, -1)
        y = query + self.attention(query, x, x, need_weights=False)[0]
        return (y + self.mlp(self.norm2(y)))[:, 0]
