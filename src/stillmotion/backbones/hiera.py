"""timm's ``Hiera``: attention in windows at first, fewer and wider tokens from stage to stage."""

import torch
from jaxtyping import Float
from timm.models.hiera import Hiera, HieraBlock, MaskUnitAttention
from torch import Tensor, nn

from stillmotion.backbones.grid import TokenGrid
from stillmotion.backbones.open_backbone import OpenBackbone
from stillmotion.backbones.open_block import FixedBlock, OpenBlock
from stillmotion.errors import BackboneError
from stillmotion.nn.attention import (
    attend,
    frames_apart,
    frames_together,
    join_windows,
    merge_heads,
    split_heads,
    split_windows,
)
from stillmotion.shapes import Heads, NormalisedClip, Tokens


class OpenHieraBlock(OpenBlock):
    """A block inside a stage: as many tokens come out as go in, of the same width."""

    block: HieraBlock

    def __init__(self, block: HieraBlock, grid: TokenGrid) -> None:
        super().__init__(block, grid)
        if block.attn.use_mask_unit_attn:
            self.windows = grid.num_tokens // block.attn.window_size

    @property
    def num_heads(self) -> int:
        return self.block.attn.heads

    def project(self, x: Tensor) -> tuple[Heads, Heads, Heads]:
        q, k, v = (split_heads(t, self.num_heads) for t in self.block.attn.qkv(x).chunk(3, dim=-1))
        return q, k, v

    def attend(self, q: Heads, k: Heads, v: Heads) -> Heads:
        return join_windows(attend(*(split_windows(t, self.windows) for t in (q, k, v))))

    def attn_jointly(self, x: Tokens) -> Tokens:
        q, k, v = (frames_together(split_windows(t, self.windows)) for t in self.qkv(x))
        return self.out(join_windows(frames_apart(attend(q, k, v), x.shape[1])))

    def out(self, heads: Heads) -> Tensor:
        return self.block.ls1(self.block.attn.proj(merge_heads(heads)))


class HieraBackbone(OpenBackbone):
    """Hiera. Its tokens are unrolled before the first block; blocks that change stage are fixed."""

    model: Hiera

    def __init__(self, model: Hiera, *, name: str | None, weights: str | None) -> None:
        height, width = (size * stride for size, stride in sizes(model))
        refuse_cut_windows(model)
        super().__init__(
            model,
            name=name,
            weights=weights,
            image_size=(height, width),
            grid=TokenGrid(0, *model.tokens_spatial_shape),
            blocks=open_blocks(model),
        )
        self.dim: int = model.patch_embed.proj.out_channels
        self.reads_patches = True

    def tokens(self, clip: NormalisedClip) -> Float[Tensor, "B steps N C"]:
        frames = self.frames(clip)
        return self.model.patch_embed(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    @property
    def position(self) -> Float[Tensor, "N C"]:
        nothing = torch.zeros((), device=self.model.pos_embed.device)
        return self.model._pos_embed(nothing)[0]

    def enter(self, x: Tokens) -> Tokens:
        return self.model.unroll(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def norm(self, x: Float[Tensor, "*lead N C"]) -> Float[Tensor, "*lead N C"]:
        return x

    @property
    def final_norm(self) -> nn.Module:
        return self.model.head.norm

    @property
    def embeddings(self) -> list[nn.Parameter]:
        both = (self.model.pos_embed, self.model.pos_embed_win)
        return [embedding for embedding in both if embedding is not None]


def sizes(model: Hiera) -> list[tuple[int, int]]:
    """(tokens, pixels of a token) along each side."""
    return list(zip(model.tokens_spatial_shape, model.patch_stride, strict=True))


def refuse_cut_windows(model: Hiera) -> None:
    """Images whose tokens do not fill the windows cannot be unrolled."""
    for (tokens, stride), unit in zip(sizes(model), model.mask_unit_size, strict=True):
        if tokens % unit:
            raise BackboneError(
                f"Hiera's windows are {unit * stride} pixels wide; images of {tokens * stride} "
                "are no whole number of them"
            )


def open_blocks(model: Hiera) -> list[OpenBlock | FixedBlock]:
    """Blocks inside a stage opened, those that begin one left as they are."""
    if model.q_stride != (2, 2):
        raise BackboneError(f"cannot open a Hiera that pools by {model.q_stride}")
    height, width = model.tokens_spatial_shape
    unrolled = len(model.stage_ends) - 1
    blocks: list[OpenBlock | FixedBlock] = []
    for number, block in enumerate(model.blocks):
        if type(block) is not HieraBlock or type(block.attn) is not MaskUnitAttention:
            raise BackboneError(
                f"cannot open block {number}: {type(block).__name__} with "
                f"{type(block.attn).__name__} is not supported"
            )
        if block.attn.q_stride > 1:
            height, width, unrolled = height // 2, width // 2, unrolled - 1
        changes = block.attn.q_stride > 1 or block.do_expand
        grid = TokenGrid(0, height, width, unrolled)
        blocks.append(FixedBlock(block) if changes else OpenHieraBlock(block, grid))
    return blocks
