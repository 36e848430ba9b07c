"""Attention rollout (Abnar & Zuidema, 2020): which patches reach what the image model reads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.backbones import OpenBlock, frozen_block
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.attention import attention_logits
from stillmotion.visualise.extract import Frames, entering

Reader = Literal["class token", "mean over patches"]


@dataclass(frozen=True)
class Rollout:
    """The rollout of one clip.

    Attributes:
        maps: the share of each patch, in [0, 1]; with those of prefix tokens, a frame sums to 1.
        reader: whose row of the product it is: the class token's where the image model reads that
            alone, otherwise the mean over the patches' rows.
    """

    maps: Float[np.ndarray, "T H W"]
    reader: Reader


@torch.no_grad()
def attention_rollout(model: VideoClassifier, clip: Frames) -> Rollout:
    """The rollout of every frame, through the frozen spatial attention of all blocks.

        R = A'_L ... A'_2 A'_1,  A'_l = (A_l + I) / 2

    A_l is the frozen attention of block l, mean over heads, of the tokens that enter the block in
    the adapted model; the identity stands for the residual stream. What a method does between there
    and the attention, and what its adapters carry past it, is not in it. (Section 3 of
    arXiv:2005.00928.) Memory: N x N numbers a frame, and those of all heads for one frame.

    Raises:
        ClipError: a clip that the model does not take.
        ConfigurationError: attention stays in windows or tokens are pooled (Hiera), so that there
            is no product; or the blocks see other tokens than those of the clip's frames.
    """
    product: Tensor | None = None
    for number, block, x in entering(model, clip):
        frozen = block_of_whole_frames(model, number, frozen_block(block), x, len(clip))
        q, k, _ = (heads[0] for heads in frozen.qkv(frozen.norm1(x)))
        if product is None:
            product = torch.eye(q.shape[-2], device=q.device).repeat(len(clip), 1, 1)
        for frame in range(len(clip)):
            product[frame] = mixed(q[frame], k[frame]) @ product[frame]
    assert product is not None
    reads_patches, grid = model.backbone.reads_patches, frozen.grid
    row = product[:, grid.prefix :].mean(dim=1) if reads_patches else product[:, 0]
    _, patches = grid.split(row[..., None])
    reader: Reader = "mean over patches" if reads_patches else "class token"
    return Rollout(patches[..., 0].cpu().numpy(), reader)


def mixed(q: Float[Tensor, "h N d"], k: Float[Tensor, "h N d"]) -> Float[Tensor, "N N"]:
    """(A + I) / 2 of one frame, A the mean over heads; rows sum to 1."""
    attention = attention_logits(q, k).float().softmax(dim=-1).mean(dim=0)
    return (attention + torch.eye(len(attention), device=q.device)) / 2


def block_of_whole_frames(
    model: VideoClassifier, number: int, frozen: object, x: Tensor, num_frames: int
) -> OpenBlock:
    """The frozen block, if each token of a frame attends to all tokens of the same frame."""
    if not isinstance(frozen, OpenBlock):
        raise ConfigurationError(
            f"block {number} of {model.backbone.title} pools its tokens, so the attention of "
            "earlier blocks cannot be followed through it"
        )
    if frozen.windows > 1:
        raise ConfigurationError(
            f"the attention of block {number} of {model.backbone.title} stays in {frozen.windows} "
            "windows of the frame"
        )
    if x.shape[1:3] != (num_frames, frozen.grid.num_tokens):
        raise ConfigurationError(
            f"the blocks of {model.method.name} see {x.shape[1]} x {x.shape[2]} tokens, which are "
            f"not those of the clip's {num_frames} frames"
        )
    return frozen
