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
        """The matrix and the offset of this map."""
        up, down = self.up.weight, self.down.weight
        identity = torch.eye(len(up), dtype=up.dtype, device=up.device)
        return identity + self.scale * up @ down, self.scale * (up @ self.down.bias + self.up.bias)


@torch.no_grad()
def fold_before(linear: nn.Linear, adapter: LinearAdapter) -> None:
    """Make ``linear(x)`` equal to what ``linear(adapter(x))`` was."""
    matrix, offset = adapter.affine()
    set_affine(linear, linear.weight @ matrix, linear.weight @ offset + bias_of(linear))


@torch.no_grad()
def fold_after(linear: nn.Linear, adapter: LinearAdapter) -> None:
    """Make ``linear(x)`` equal to what ``adapter(linear(x))`` was."""
    matrix, offset = adapter.affine()
    set_affine(linear, matrix @ linear.weight, matrix @ bias_of(linear) + offset)


def bias_of(linear: nn.Linear) -> Float[Tensor, " o"]:
    """The bias; zeros where there is none."""
    return torch.zeros_like(linear.weight[:, 0]) if linear.bias is None else linear.bias


def set_affine(linear: nn.Linear, weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"]) -> None:
    """Put weights and a bias into a linear layer, which gets a bias if it had none."""
    linear.weight.copy_(weight)
    if linear.bias is None:
        linear.bias = nn.Parameter(bias, requires_grad=False)
    else:
        linear.bias.copy_(bias)
