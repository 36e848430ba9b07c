"""Which part of a frame becomes a clip's square: arithmetic on integers, then pixels.

A crop is (top, left, height, width) in pixels, the same for all frames of a clip.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional

from stillmotion.data.indices import Spread
from stillmotion.errors import ConfigurationError
from stillmotion.shapes import Frames

Crops = UInt8[Tensor, "crops T 3 size size"]
Crop = tuple[int, int, int, int]
Interpolation = Literal["bilinear", "bicubic"]
NUM_CROPS = (1, 3, 10)

QUARTERS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)
"""Where a multi-scale crop may lie, in quarters of the room to the top and left: corners, middle,
middles of the edges, and half-way to the corners (TSN, Wang et al., arXiv 1608.00859)."""


def drawn(count: int) -> int:
    """A number from 0 to ``count`` - 1, from torch's global generator."""
    return int(torch.randint(count, ()))


def jitter_crop(height: int, width: int, *, zoom: float) -> Crop:
    """A square, drawn anywhere, of the shorter side divided by ``zoom`` (at least 1).

    Frames resized to ``zoom`` times a clip's size and a random square of that size cut from them,
    as SlowFast and ST-Adapter do, in one step.
    """
    side = max(1, round(min(height, width) / zoom))
    return drawn(height - side + 1), drawn(width - side + 1), side, side


def multiscale_crop(height: int, width: int, *, sides: Sequence[float]) -> Crop:
    """One of TSN's crops: its sides are parts of the shorter side, neighbours in ``sides``."""
    base = min(height, width)
    lengths = [int(base * side) for side in sides]
    shapes = [
        (high, wide)
        for i, high in enumerate(lengths)
        for j, wide in enumerate(lengths)
        if abs(i - j) <= 1
    ]
    high, wide = shapes[drawn(len(shapes))]
    down, across = QUARTERS[drawn(len(QUARTERS))]
    return (height - high) // 4 * down, (width - wide) // 4 * across, high, wide


def cut(
    frames: Frames, crop: Crop, *, size: int, interpolation: Interpolation
) -> UInt8[Tensor, "T 3 size size"]:
    """A crop of the frames, resized to a square of ``size`` pixels."""
    return functional.resized_crop(
        frames, *crop, [size, size], interpolation=InterpolationMode(interpolation), antialias=True
    )


def view_crops(
    size: int,
    *,
    num_crops: int = 1,
    short_side: int | None = None,
    interpolation: Interpolation = "bilinear",
    spread: Spread = "ends",
) -> Callable[[Tensor], Tensor]:
    """Resizes the shorter side, then takes squares of ``size`` pixels.

    Args:
        num_crops: 1, the middle; 3, along the longer side; 10, the corners and the middle, and the
            mirror images of these five.
        short_side: of the resized frames; None: ``size``.
        spread: "starts" puts three crops at 0, 1/3 and 2/3 of the room, and one at 0, as DualPath's
            code; else they lie at 0, 1/2 and 1, and one in the middle.

    Returns:
        A function from uint8 (T, 3, H, W) to uint8 (num_crops, T, 3, size, size).

    Raises:
        ConfigurationError: another number of crops, or a shorter side below ``size``.
    """
    if num_crops not in NUM_CROPS:
        raise ConfigurationError(f"num_crops must be 1, 3 or 10, got {num_crops}")
    if short_side is not None and short_side < size:
        raise ConfigurationError(
            f"views.short_side={short_side} is less than the model's {size} pixels: a crop would "
            "leave the frame"
        )
    return partial(
        _crop,
        size=size,
        num_crops=num_crops,
        short_side=short_side or size,
        interpolation=interpolation,
        spread=spread,
    )


def crop_corners(
    height: int, width: int, *, size: int, num_crops: int, spread: Spread = "ends"
) -> list[tuple[int, int]]:
    """Top and left of each square; of ten crops the five that are not mirrored."""
    top, left = height - size, width - size
    if num_crops == 10:
        return [(0, 0), (0, left), (top, 0), (top, left), (top // 2, left // 2)]
    if spread == "starts":
        along = [max(top, left) * place // num_crops for place in range(num_crops)]
    elif num_crops == 3:
        along = [0, max(top, left) // 2, max(top, left)]
    else:
        return [(top // 2, left // 2)]
    if height > width:
        return [(place, left // 2) for place in along]
    return [(top // 2, place) for place in along]


def _crop(
    frames: Frames,
    *,
    size: int,
    num_crops: int,
    short_side: int,
    interpolation: Interpolation,
    spread: Spread,
) -> Crops:
    mode = InterpolationMode(interpolation)
    resized = functional.resize(frames, [short_side], interpolation=mode, antialias=True)
    corners = crop_corners(*resized.shape[-2:], size=size, num_crops=num_crops, spread=spread)
    crops = torch.stack([resized[..., y : y + size, x : x + size] for y, x in corners])
    return torch.cat([crops, crops.flip(-1)]) if num_crops == 10 else crops
