"""The classifier: one small module a branch, most often a linear layer, and a vote."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.shapes import Logits

Vote = Literal["mean", "linear", "frozen_linear"]
"""How branches become one answer: their mean, or a linear layer (learned, or random and fixed)."""


class VotingHead(nn.Module):
    """V feature vectors (B, D_v), one a branch, to class logits (B, K). Most methods have V = 1.

    A linear vote maps the V K branch logits to K. AM Flow's paper found the learned one unstable
    and the frozen random one workable.
    """

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        *,
        dropout: float = 0.0,
        vote: Vote = "mean",
        classifier: Callable[[int, int], nn.Module] = nn.Linear,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifiers = nn.ModuleList(classifier(dim, num_classes) for dim in dims)
        self.ballot: nn.Linear | None = None
        if vote != "mean":
            self.ballot = nn.Linear(len(dims) * num_classes, num_classes, bias=False)
            self.ballot.requires_grad_(vote == "linear")

    def branches(self, features: Sequence[Float[Tensor, "B _"]]) -> Float[Tensor, "B V K"]:
        """The logits of each branch."""
        pairs = zip(self.classifiers, features, strict=True)
        return torch.stack([classify(self.dropout(f)) for classify, f in pairs], dim=1)

    def vote(self, branches: Float[Tensor, "B V K"]) -> Logits:
        """One answer of all branches."""
        return branches.mean(dim=1) if self.ballot is None else self.ballot(branches.flatten(1))

    def forward(self, features: Sequence[Float[Tensor, "B _"]]) -> Logits:
        return self.vote(self.branches(features))


def normal_linear(dim: int, num_classes: int, *, std: float) -> nn.Linear:
    """A linear classifier with normally distributed weights and no bias at first."""
    linear = nn.Linear(dim, num_classes)
    nn.init.normal_(linear.weight, std=std)
    nn.init.zeros_(linear.bias)
    return linear
