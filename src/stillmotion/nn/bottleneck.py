"""The bottleneck adapter of most methods, and what stands in the place of one that is left out."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.adapters import zero_linear


def width_of(ratio: float, dim: int) -> int:
    """The width of a bottleneck that is given as a fraction of the tokens' C; at least 1."""
    return max(1, int(ratio * dim))


class Bottleneck(nn.Module):
    """up(dropout(activation(down x))), (..., C) -> (..., C). Zero until ``up`` is trained.

    Args:
        skip: add x. The adapter is then the identity until it is trained.
        std: of the truncated normal distribution that ``down`` starts from; None: PyTorch's own.
        up_std: likewise of ``up``, which then does not start at zero.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        activation: Callable[[Tensor], Tensor],
        dropout: float = 0.0,
        skip: bool = False,
        std: float | None = None,
        up_std: float | None = None,
    ) -> None:
        super().__init__()
        self.skip = skip
        self.down, self.up = nn.Linear(dim, hidden), zero_linear(hidden, dim)
        self.activation, self.dropout = activation, nn.Dropout(dropout)
        nn.init.zeros_(self.down.bias)
        for linear, spread in ((self.down, std), (self.up, up_std)):
            if spread is not None:
                nn.init.trunc_normal_(linear.weight, std=spread)

    def forward(self, x: Float[Tensor, "*lead C"]) -> Float[Tensor, "*lead C"]:
        y = self.up(self.dropout(self.activation(self.down(x))))
        return x + y if self.skip else y


class Nothing(nn.Module):
    """Zero, whatever comes: what an adapter adds that is left out."""

    def forward(self, x: Float[Tensor, "*lead C"]) -> Float[Tensor, "*lead C"]:
        return torch.zeros_like(x)
