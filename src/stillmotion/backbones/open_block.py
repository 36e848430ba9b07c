"""A frozen transformer block whose parts are called by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.backbones.grid import TokenGrid
from stillmotion.errors import ConfigurationError
from stillmotion.nn.attention import attend, frames_apart, frames_together
from stillmotion.nn.frozen import Frozen
from stillmotion.shapes import Heads, Reach, Tokens


class FixedBlock(Frozen):
    """A frozen block that no method adapts, such as one that changes width and number of tokens."""

    reach: Reach = (0, 0)

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.freeze()

    def forward(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead M D"]:
        return self.block(x.flatten(0, -3)).unflatten(0, x.shape[:-2])


Role = Literal["attn_in", "attn_out", "mlp_in", "mlp_out"]
"""The linear maps on either side of each frozen branch; where linear adapters fold."""


LINEAR_NAMES: dict[Role, tuple[str, ...]] = {
    "attn_in": ("attn.qkv",),
    "attn_out": ("attn.proj",),
    "mlp_in": ("mlp.fc1",),
    "mlp_out": ("mlp.fc2",),
}
"""Where most of timm's blocks have them."""


class OpenBlock(Frozen, ABC):
    """A frozen pre-norm block, opened at the seams where video methods cut in.

    ``norm1 -> qkv -> attend -> out`` is the attention branch, ``norm2 -> mlp`` the MLP branch.
    Layer scale is part of ``out`` and ``mlp``. All parts take (..., N, C) with any leading axes.
    What is not abstract is timm's usual form of a block.

    Attributes:
        block: timm's.
        grid: how the tokens of a frame lie in this block.
        windows: attention stays inside each of so many windows; token i is in window i mod windows.
        reach: (0, 0), the image model's own block sees each frame for itself.
    """

    windows = 1
    reach: Reach = (0, 0)

    def __init__(self, block: nn.Module, grid: TokenGrid) -> None:
        super().__init__()
        self.block, self.grid = block, grid
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

    def mlp(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """(..., N, C) -> (..., N, C), ready to be added to the residual stream."""
        return self.block.ls2(self.block.mlp(x))  # type: ignore[operator]

    def rotate(self, q: Heads, k: Heads) -> tuple[Heads, Heads]:
        """Apply spatial rotary positions. Most families have none."""
        return q, k

    def qkv(self, x: Float[Tensor, "*lead N C"]) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values (..., h, N, d) of the tokens of a frame, positions applied."""
        q, k, v = self.project(x)
        return *self.rotate(q, k), v

    def attend(self, q: Heads, k: Heads, v: Heads) -> Heads:
        """Every token with every token of its frame (of its window, where there are windows)."""
        return attend(q, k, v)

    def attn(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The frozen attention over the tokens of each frame."""
        return self.out(self.attend(*self.qkv(x)))

    def attn_over_time(self, x: Tokens) -> Tokens:
        """The same weights over the frames of each token. Spatial positions do not apply."""
        # Copied: of a transposed view torch makes one small product a token, five times slower.
        over_time = x.transpose(1, 2).contiguous()
        return self.out(attend(*self.project(over_time))).transpose(1, 2)

    def attn_jointly(self, x: Tokens) -> Tokens:
        """The same weights over the tokens of all frames (of the same window in all frames)."""
        q, k, v = (frames_together(heads) for heads in self.qkv(x))
        return self.out(frames_apart(self.attend(q, k, v), x.shape[1]))

    def forward(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        """The image model's own block."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    @property
    def linear_names(self) -> dict[Role, tuple[str, ...]]:
        """Where in ``block`` the linear maps lie."""
        return LINEAR_NAMES

    def linears(self, role: Role) -> list[nn.Linear]:
        """The linear maps of one role: one, or three for queries, keys and values apart."""
        return [self.block.get_submodule(name) for name in self.linear_names[role]]  # type: ignore[misc]

    def replace_linears(self, role: Role, change: Callable[[nn.Module], nn.Module]) -> None:
        """Put another module in the place of each linear map of one role."""
        for name in self.linear_names[role]:
            self.block.set_submodule(name, change(self.block.get_submodule(name)))

    @property
    def layer_scales(self) -> dict[Role, nn.Parameter | None]:
        """What the outputs of the two branches are multiplied by, (C,); None where by nothing."""
        scales = {"attn_out": self.block.ls1, "mlp_out": self.block.ls2}
        return {role: getattr(scale, "gamma", None) for role, scale in scales.items()}  # type: ignore[misc]

    @torch.no_grad()
    def fold_layer_scale(self) -> None:
        """Move layer scales into the branches' last linears: they do not commute with adapters.

        They stay where they are, as ones, so that the block keeps its form.
        """
        for role, gamma in self.layer_scales.items():
            if gamma is not None:
                (linear,) = self.linears(role)
                linear.weight.mul_(gamma[:, None])
                if linear.bias is not None:
                    linear.bias.mul_(gamma)
                gamma.fill_(1)


def frozen_block(block: nn.Module) -> OpenBlock | FixedBlock:
    """The image model's block inside a video block, whatever the video block calls it.

    Raises:
        ConfigurationError: where there is none, or more than one.
    """
    found = [m for m in block.modules() if isinstance(m, OpenBlock | FixedBlock)]
    if len(found) != 1:
        raise ConfigurationError(
            f"a {type(block).__name__} holds {len(found)} of the image model's blocks as modules "
            "of its own; it must hold the one it is built around"
        )
    return found[0]
