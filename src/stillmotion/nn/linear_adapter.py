"""Adapters without an activation: affine maps, which fold into a neighbouring linear layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.adapters import zero_linear


class LinearAdapter(nn.Module):
    """x + s up(dropout(down x)), (..., C) -> (..., C). The identity until ``up`` is trained."""

    def __init__(self, dim: int, hidden: int, *, scale: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, hidden), zero_linear(hidden, dim)
        self.scale, self.dropout = scale, nn.Dropout(dropout)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Float[Tensor, "*lead C"]) -> Float[Tensor, "*lead C"]:
        return x + self.scale * self.up(self.dropout(self.down(x)))

    def affine(self) -> tuple[Float[Tensor, "C C"], Float[Tensor, " C"]]:
        """The matrix and the offset of this map, in float64."""
        up, down = (linear.weight.double() for linear in (self.up, self.down))
        matrix = torch.eye(len(up), dtype=up.dtype, device=up.device) + self.scale * up @ down
        return matrix, self.scale * (up @ self.down.bias.double() + self.up.bias.double())


@torch.no_grad()
def fold_before(linear: nn.Linear, adapter: LinearAdapter) -> None:
    """Make ``linear(x)`` equal to what ``linear(adapter(x))`` was."""
    matrix, offset = adapter.affine()
    weight = linear.weight.double()
    set_affine(linear, weight @ matrix, weight @ offset + bias_of(linear))


@torch.no_grad()
def fold_after(linear: nn.Linear, adapter: LinearAdapter) -> None:
    """Make ``linear(x)`` equal to what ``adapter(linear(x))`` was."""
    matrix, offset = adapter.affine()
    set_affine(linear, matrix @ linear.weight.double(), matrix @ bias_of(linear) + offset)


def bias_of(linear: nn.Linear) -> Float[Tensor, " o"]:
    """The bias in float64; zeros where there is none."""
    if linear.bias is None:
        return linear.weight.new_zeros(linear.out_features, dtype=torch.float64)
    return linear.bias.double()


def set_affine(linear: nn.Linear, weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"]) -> None:
    """Put weights and a bias into a linear layer, in its type; it gets a bias if it had none."""
    if linear.bias is None:
        linear.bias = nn.Parameter(torch.empty_like(linear.weight[:, 0]), requires_grad=False)
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
