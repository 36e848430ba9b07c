"""The bottleneck adapter of most methods."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.adapters import zero_linear


class Bottleneck(nn.Module):
    """up(dropout(activation(down x))), (..., C) -> (..., C). Zero until ``up`` is trained.

    Args:
        std: of the truncated normal distribution that ``down`` starts from; None: PyTorch's own.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        activation: Callable[[Tensor], Tensor],
        dropout: float = 0.0,
        std: float | None = None,
    ) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, hidden), zero_linear(hidden, dim)
        self.activation, self.dropout = activation, nn.Dropout(dropout)
        nn.init.zeros_(self.down.bias)
        if std is not None:
            nn.init.trunc_normal_(self.down.weight, std=std)

    def forward(self, x: Float[Tensor, "*lead C"]) -> Float[Tensor, "*lead C"]:
        return self.up(self.dropout(self.activation(self.down(x))))
