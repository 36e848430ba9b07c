"""A method of one's own: a bottleneck that reads how each token changed since the frame before.

export STILLMOTION_METHODS=examples/frame_difference.py
stillmotion info --method frame_difference
stillmotion train videos/ --out runs/mine --method frame_difference
"""

from dataclasses import dataclass

from torch import Tensor, nn

from stillmotion.methods.base import Method, register
from stillmotion.nn.bottleneck import Bottleneck
from stillmotion.nn.shift import from_frame


@register
@dataclass(frozen=True, kw_only=True)
class FrameDifference(Method):
    """x = x + up(gelu(down(x_t - x_(t-1)))), before every frozen block."""

    name = "frame_difference"
    hidden: int = 64
    """Width of the bottleneck."""
    sees_order = True

    def block(self, frozen, *, layer, backbone):
        return DifferenceBlock(frozen, self.hidden)


class DifferenceBlock(nn.Module):
    def __init__(self, frozen, hidden: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.adapter = Bottleneck(frozen.dim, hidden, activation=nn.functional.gelu)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, N, C)
        return self.frozen(x + self.adapter(x - from_frame(x, -1)))
