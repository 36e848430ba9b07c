"""Asks a model for the attention-map flow of each of its blocks. The one importer of torch here."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from stillmotion.backbones import FixedBlock, OpenBlock, frozen_block
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.nn.flow import static_flow
from stillmotion.visualise.flow import BlockFlow

Frames = UInt8[Tensor, "T 3 height width"] | Float[Tensor, "T 3 height width"]


def attention_flow(model: VideoClassifier, clip: Frames) -> list[BlockFlow]:
    """The flow of every block on one clip, as the adapted model's own stream reaches the block.

    A block with a flow of its own is asked for it, so this is what its adapter reads. Any other
    block's is the static flow (E 3) of its frozen queries and keys.

    Args:
        clip: (T, 3, H, W) of the model's image size, uint8 or float in [0, 1].

    Returns:
        One `BlockFlow` a block, in order; prefix tokens are left out.

    Raises:
        ClipError: a clip that the model does not take.
        ConfigurationError: the method's blocks hold no frozen block, or other tokens.
    """
    return [
        flow_of_block(model, number, block, x)
        for number, block, x in entering(model, clip)
        if not isinstance(frozen_block(block), FixedBlock)
    ]


@torch.no_grad()
def entering(
    model: VideoClassifier, clip: Frames
) -> Iterator[tuple[int, nn.Module, Float[Tensor, "1 steps N C"]]]:
    """Each block with its number and the tokens that enter it, in the adapted model's own stream.

    The model is in evaluation mode until the last block was given.

    Raises:
        ClipError: a clip that the model does not take.
    """
    was_training = model.training
    model.eval()
    try:
        x = model.stem(model.backbone, model.normalise(clip[None].to(model.mean.device)))
        for number, block in enumerate(model.trunk.blocks):
            yield number, block, x
            out = block(x)
            x = out[0] if isinstance(out, tuple) else out
    finally:
        model.train(was_training)


@torch.no_grad()
def flow_of_block(model: VideoClassifier, number: int, block: nn.Module, x: Tensor) -> BlockFlow:
    """The flow of one block, given the tokens (1, T, N, C) that enter it."""
    frozen = frozen_block(block)
    if not isinstance(frozen, OpenBlock) or x.shape[2] != frozen.grid.num_tokens:
        raise ConfigurationError(
            f"block {number} of a model adapted by {model.method.name!r} shows no flow: that needs "
            "frozen blocks over the image model's own tokens"
        )
    q, k, _ = frozen.qkv(frozen.norm1(x))
    own: Any = getattr(block, "flow", None)
    flow = static_flow(q, k) if own is None else own(q, k)
    _, patches = frozen.grid.split(flow[0])
    return BlockFlow(
        block=number,
        flow=patches.float().cpu().numpy(),
        still=1.0 if own is None else own.still,
        pairing="next" if own is None else own.pairing,
        read=own is not None,
    )
