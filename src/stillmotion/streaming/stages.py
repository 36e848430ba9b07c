"""A model in stages that can be run on some frames of a window, and joined with what was kept."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stillmotion.methods.parts import Trunk
from stillmotion.model import VideoClassifier
from stillmotion.shapes import Reach
from stillmotion.streaming.plan import Work

Made = tuple[Tensor, ...]
"""What a stage makes of frames, (B, T, ...) each: tokens, then what branches read of them."""

EACH_FRAME: Reach = (0, 0)


class Stage(NamedTuple):
    """The stem, or some blocks, and how many frames (back, ahead) they look."""

    run: Callable[[Tensor], Made]
    reach: Reach
    num_blocks: int


def stages_of(model: VideoClassifier) -> list[Stage]:
    """The stem, then the blocks. None where frames cannot be taken out of their clip at all."""
    m = model
    if m.stem.knows_place or m.backbone.tubelet > 1 or not m.trunk.goes_block_by_block:
        return []
    stem = Stage(lambda pixels: (m.stem(m.backbone, pixels),), EACH_FRAME, 0)
    return [stem] + [
        Stage(partial(run_blocks, m.trunk, blocks), reach_of(blocks[0]), len(blocks))
        for blocks in neighbours(m.trunk.blocks)
    ]


def neighbours(blocks: Iterable[nn.Module]) -> list[list[nn.Module]]:
    """Blocks in a row that look at no other frame, together; every other block alone."""
    grouped: list[list[nn.Module]] = []
    for each_frame, group in groupby(blocks, key=lambda block: reach_of(block) == EACH_FRAME):
        row = list(group)
        grouped += [row] if each_frame else [[block] for block in row]
    return grouped


def reach_of(block: nn.Module) -> Reach:
    """How far a block looks; one that does not say is taken to look at the whole clip."""
    return getattr(block, "reach", None)


def run_blocks(trunk: Trunk, blocks: Sequence[nn.Module], x: Tensor) -> Made:
    """Tokens after these blocks, and what the branches of all of them read."""
    read: list[Tensor] = []
    for block in blocks:
        x, *own = trunk.frames(block, x)
        read += own
    return x, *read


def renewed(stage: Stage, x: Tensor, earlier: Made, *, old: range, new: range, work: Work) -> Made:
    """What a stage makes of the new window, of which some frames are kept from the old.

    Args:
        x: (B, T, ...) of the new window.
        earlier: what it made of the old one.
        old, new: the frames of the windows, counted from the first of the video.
        work: which frames are kept, and which pass the stage, from `plan`.
    """
    if not work.kept:
        return stage.run(x)
    before, after = (
        [cut(t, piece.given, piece.wanted) for t in stage.run(cut(x, new, piece.given))]
        if piece.wanted
        else [t[:, :0] for t in earlier]
        for piece in work.pieces
    )
    kept = [cut(t, old, work.kept) for t in earlier]
    return tuple(torch.cat(parts, dim=1) for parts in zip(before, kept, after, strict=True))


def cut(x: Tensor, window: range, frames: range) -> Tensor:
    """Some frames of a window's."""
    return x[:, frames.start - window.start : frames.stop - window.start]
