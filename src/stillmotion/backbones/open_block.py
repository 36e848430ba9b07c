"""A frozen transformer block whose parts are called by name."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.attention import attend
from stillmotion.shapes import Heads, Tokens


class Frozen(nn.Module):
    """A module that never trains: no gradients, and always in evaluation mode."""

    def freeze(self) -> "Frozen":
        """Stop gradients and leave training mode, for good."""
        for child in self.children():
            child.eval()
        self.training = False
        return self.requires_grad_(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode whatever the surrounding model does."""
        return self


class Linears(NamedTuple):
    """The linear maps on either side of each frozen branch; where linear adapters fold."""

    attn_in: tuple[nn.Linear, ...]
    attn_out: nn.Linear
    mlp_in: tuple[nn.Linear, ...]
    mlp_out: nn.Linear


class OpenBlock(Frozen, ABC):
    """A frozen pre-norm block, opened at the seams where video methods cut in.

    ``norm1 -> qkv -> attend -> out`` is the attention branch, ``norm2 -> mlp`` the MLP branch.
    Layer scale is part of ``out`` and ``mlp``. All parts take (..., N, C) with any leading axes.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.freeze()

    @property
    def dim(self) -> int:
        """C, the width of the tokens."""
        return self.block.norm1.weight.numel()  # type: ignore[union-attr, operator]

    @property
    def num_heads(self) -> int:
        """h, the heads of the attention."""
        return self.block.attn.num_heads  # type: ignore[union-attr, return-value]

    def norm1(self, x: Tensor) -> Tensor:
        """The norm before attention."""
        return self.block.norm1(x)  # type: ignore[operator]

    def norm2(self, x: Tensor) -> Tensor:
        """The norm before the MLP."""
        return self.block.norm2(x)  # type: ignore[operator]

    @abstractmethod
    def project(self, x: Float[Tensor, "*lead N C"]) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values (..., h, N, d), before any spatial position is applied."""

    @abstractmethod
    def out(self, heads: Heads) -> Float[Tensor, "*lead N C"]:
        """(..., h, N, d) -> (..., N, C), ready to be added to the residual stream."""

    @abstractmethod
    def mlp(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """(..., N, C) -> (..., N, C), ready to be added to the residual stream."""

    @property
    @abstractmethod
    def linears(self) -> Linears:
        """Where linear adapters fold."""

    @abstractmethod
    def fold_layer_scale(self) -> None:
        """Move layer scales into the branches' last Linears: they do not commute with adapters."""

    def rotate(self, q: Heads, k: Heads) -> tuple[Heads, Heads]:
        """Apply spatial rotary positions. Most families have none."""
        return q, k

    def qkv(self, x: Float[Tensor, "*lead N C"]) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values (..., h, N, d) of the tokens of a frame, positions applied."""
        q, k, v = self.project(x)
        return *self.rotate(q, k), v

    def attend(self, q: Heads, k: Heads, v: Heads) -> Heads:
        """Every token with every token of its frame."""
        return attend(q, k, v)

    def attn(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The frozen attention over the tokens of each frame."""
        return self.out(self.attend(*self.qkv(x)))

    def attn_over_time(self, x: Tokens) -> Tokens:
        """The same weights over the frames of each token. Spatial positions do not apply."""
        return self.out(attend(*self.project(x.transpose(1, 2)))).transpose(1, 2)

    def forward(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The image model's own block."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


@torch.no_grad()
def scale_rows(linear: nn.Linear, gamma: Float[Tensor, " C"]) -> None:
    """Make ``linear(x)`` equal to what ``gamma * linear(x)`` was."""
    linear.weight.mul_(gamma[:, None])
    if linear.bias is not None:
        linear.bias.mul_(gamma)
