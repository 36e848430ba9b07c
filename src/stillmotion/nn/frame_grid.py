"""Sixteen frames in one picture: DualPath's way to show an image model the time."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from stillmotion.nn.frames import fill_up
from stillmotion.shapes import NormalisedClip

CELL = 4
"""Points a side that a frame has in the authors' map of frame numbers, before it is resized."""


def frame_grids(
    clip: NormalisedClip, *, side: int, antialias: bool
) -> Float[Tensor, "B grids 3 height width"]:
    """(B, T, 3, H, W) -> (B, T / side^2, 3, H, W): frames row by row, resized to one frame's size.

    Where T does not fill the last grid, the last frame is repeated.
    """
    height, width = clip.shape[-2:]
    cells = fill_up(clip, side**2).unflatten(
        1, (-1, side, side)
    )  # (B, grids, row, column, 3, H, W)
    canvas = cells.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)
    pictures = resized(canvas.flatten(0, 1), (height, width), antialias)
    return pictures.unflatten(0, canvas.shape[:2])


def frame_numbers(
    num_grids: int, grid: tuple[int, int], *, side: int, antialias: bool
) -> Float[Tensor, "grids height width"]:
    """Which frame each patch of each grid picture shows, from 1; between two frames a mean."""
    first = torch.arange(num_grids).view(-1, 1, 1) * side**2 + 1
    cells = (first + torch.arange(side**2).view(side, side)).float()
    canvas = cells.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)
    return resized(canvas[:, None], grid, antialias)[:, 0]


def resized(
    pictures: Float[Tensor, "P c h w"], size: tuple[int, int], antialias: bool
) -> Float[Tensor, "P c height width"]:
    """Bilinear."""
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=antialias)
