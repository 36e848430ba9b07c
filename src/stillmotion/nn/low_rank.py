"""A linear layer with a trained low-rank change beside it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.adapters import zero_linear
from stillmotion.nn.frozen import Inserted


class LowRankLinear(Inserted):
    """linear(x) + s up(dropout(down x)), (..., i) -> (..., o); at first what ``linear`` is.

    Source: Hu et al., "LoRA" (arXiv 2106.09685), equation 3; s = alpha / rank. ``down`` starts as
    in the authors' loralib, Kaiming uniform with a = sqrt 5, which is PyTorch's own.
    """

    holds = "linear"

    def __init__(self, linear: nn.Linear, *, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.linear, self.scale, self.dropout = linear, scale, nn.Dropout(dropout)
        self.down = nn.Linear(linear.in_features, rank, bias=False)
        self.up = zero_linear(rank, linear.out_features, bias=False)

    def forward(self, x: Float[Tensor, "*lead i"]) -> Float[Tensor, "*lead o"]:
        return self.linear(x) + self.scale * self.up(self.down(self.dropout(x)))

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """The linear layer with the change added to its weights."""
        self.linear.weight.add_(self.scale * self.up.weight @ self.down.weight)
        return self.linear
