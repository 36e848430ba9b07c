"""A model in stages that can be run on some frames of a window, and joined with what was kept."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stillmotion.model import VideoClassifier
from stillmotion.shapes import Logits, NormalisedClip, Reach
from stillmotion.streaming.plan import Sight, Work

Made = tuple[Tensor, ...]
"""What a stage makes of frames, (B, T, ...) each: tokens; then of the stem those of a pass beside
the blocks, of blocks the series that their branches follow."""

EACH_FRAME = Sight((0, 0), (0, 0))


class Stage(NamedTuple):
    """The stem, or some blocks, and how many frames (back, ahead) they look."""

    run: Callable[[Tensor], Made]
    sight: Sight
    num_blocks: int


def stages_of(model: VideoClassifier) -> list[Stage]:
    """The stem, then the blocks. None where frames cannot be taken out of their clip at all."""
    m = model
    if m.stem.knows_place or m.backbone.tubelet > 1 or not m.trunk.goes_block_by_block:
        return []
    # What a frame passes beside the blocks follows the stem at once: it looks at no other frame.
    entrance = Stage(partial(enter, m), EACH_FRAME, m.trunk.passes(1) - len(m.trunk.blocks))
    return [entrance] + [
        Stage(partial(run_blocks, blocks), sight_of(blocks[0]), len(blocks))
        for blocks in neighbours(m.trunk.blocks)
    ]


def enter(model: VideoClassifier, pixels: NormalisedClip) -> Made:
    """Tokens that enter the first block, and those of a pass beside the blocks."""
    x = model.stem(model.backbone, pixels)
    beside = model.trunk.beside(x)
    return (x,) if beside is None else (x, beside)


def neighbours(blocks: Iterable[nn.Module]) -> list[list[nn.Module]]:
    """Blocks in a row that look at no other frame, together; every other block alone."""
    grouped: list[list[nn.Module]] = []
    for each_frame, group in groupby(blocks, key=lambda block: sight_of(block) == EACH_FRAME):
        row = list(group)
        grouped += [row] if each_frame else [[block] for block in row]
    return grouped


def sight_of(block: nn.Module) -> Sight:
    """How far a block looks; one that does not say is taken to look at the whole clip."""
    reach: Reach = getattr(block, "reach", None)
    return Sight(reach, getattr(block, "token_reach", reach))


def run_blocks(blocks: Sequence[nn.Module], x: Tensor) -> Made:
    """Tokens after these blocks, and the series of all their branches."""
    series: list[Tensor] = []
    for block in blocks:
        if hasattr(block, "frames"):
            x, *own = block.frames(x)  # type: ignore[operator]
            series += own
        else:
            x = block(x)
    return x, *series


def answered(model: VideoClassifier, made: Sequence[Made]) -> Logits:
    """What the model answers to a window of which the stages made this."""
    m, (_, *beside), (x, *_) = model, made[0], made[-1]
    series = [own for _, *read in made[1:] for own in read]
    said = [branch(own) for branch, own in zip(m.trunk.branches, series, strict=True)]
    return m.combine(m.head([*said, m.readout(m.backbone, beside[0] if beside else x)]))


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
