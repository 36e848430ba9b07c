"""Where the subject is: the part of the frames that moves, or a given box.

What moves is found by the difference of each frame from the clip's median frame. That is right for
a camera that stands still. One that moves makes most of the frame move, and all of it is used.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from stillmotion.data.annotations import Box, Sample
from stillmotion.errors import ConfigurationError, some
from stillmotion.shapes import Frames

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
"""The whole frame, in parts of its width and height."""

CELLS = 64
"""Motion is looked for on a grid of at most so many cells along the shorter side: what is smaller
than a cell is noise."""

LEAST_CHANGE = 12.0
"""Grey levels, of 255, by which a cell must change to have moved: above what compression does."""

NOISE = 6.0
"""And by so many times the usual change of the frame beyond it."""

LEAST_MOVING = Fraction(1, 400)
MOST_MOVING = Fraction(1, 2)
"""Parts of the frame that must move at least, and may at most, for there to be one subject."""

OUTLIERS = Fraction(1, 50)
"""Part of the moving cells left outside the box on each of its sides."""

MARGIN = 0.15
"""What is added on each side, in parts of the box."""


def motion_box(frames: Frames) -> Box:
    """The box around what moves in a clip; the whole frame where nothing or everything does.

    Returns:
        (left, top, right, bottom) in parts of the frame.
    """
    changes = change(frames)
    moving = moving_cells(changes)
    share = Fraction(int(moving.sum()), moving.numel())
    if changes.median() > LEAST_CHANGE or not LEAST_MOVING <= share <= MOST_MOVING:
        return WHOLE
    left, right = _extent(moving.sum(dim=0))
    top, bottom = _extent(moving.sum(dim=1))
    wide, high = MARGIN * (right - left), MARGIN * (bottom - top)
    return (
        max(0.0, left - wide),
        max(0.0, top - high),
        min(1.0, right + wide),
        min(1.0, bottom + high),
    )


def change(frames: Frames) -> Float[Tensor, "rows columns"]:
    """By how many grey levels each cell differs at most from what it is in the median frame."""
    height, width = frames.shape[-2:]
    side = max(1, min(height, width) // CELLS)
    grey = frames.float().mean(dim=1, keepdim=True)
    cells = F.avg_pool2d(grey, side)[:, 0]
    return (cells - cells.median(dim=0).values).abs().amax(dim=0)


def moving_cells(changes: Float[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    """Cells that change by more than compression and more than most others do."""
    usual = changes.median()
    spread = (changes - usual).abs().median()
    return changes > torch.clamp(usual + NOISE * spread, min=LEAST_CHANGE)


def pixels(box: Box, *, height: int, width: int) -> tuple[int, int, int, int]:
    """The smallest square around a box, as far as the frame allows: (top, left, height, width).

    A square, because a clip is one: the middle of a tall box would not show all of a person. It is
    moved inwards where it would leave the frame, and narrower than the box never.
    """
    left, right = _inside(box[0], box[2], width)
    top, bottom = _inside(box[1], box[3], height)
    side = max(right - left, bottom - top)
    top, bottom = _widened(top, bottom, side, height)
    left, right = _widened(left, right, side, width)
    return top, left, bottom - top, right - left


def crop_to(frames: Frames, box: Box) -> UInt8[Tensor, "T 3 high wide"]:
    """The square of the frames around a box; a view of them."""
    top, left, height, width = pixels(box, height=frames.shape[-2], width=frames.shape[-1])
    return frames[..., top : top + height, left : left + width]


def refuse_boxless(samples: Sequence[Sample]) -> None:
    """Where boxes are asked for, each video has to have one.

    Raises:
        ConfigurationError: for videos without a box.
    """
    without = [str(sample.path) for sample in samples if sample.box is None]
    if without:
        raise ConfigurationError(
            f"sampling.region=boxes, and {len(without)} of {len(samples)} videos have no box: "
            f"{some(without, show=2)}. Give all of them one, or choose region motion or frame"
        )


def _extent(counts: Tensor) -> tuple[float, float]:
    """Where the moving cells of a line begin and end, few of them left out; parts of its length."""
    total, cells = int(counts.sum()), len(counts)
    before = counts.cumsum(0)
    few = int(OUTLIERS * total)
    first = int((before > few).int().argmax())
    last = int((before >= total - few).int().argmax())
    return first / cells, (last + 1) / cells


def _inside(first: float, last: float, length: int) -> tuple[int, int]:
    """Whole pixels that hold a part of a line, at least one of them."""
    begin = min(length - 1, max(0, int(first * length)))
    return begin, max(begin + 1, min(length, ceil(last * length)))


def _widened(first: int, last: int, side: int, length: int) -> tuple[int, int]:
    """The same middle and at least ``side`` long, within 0 and ``length``."""
    side = min(side, length)
    begin = min(max(0, (first + last - side) // 2), length - side)
    return begin, begin + side
