"""From frames to the square clip that a model takes: one draw for all frames of a clip.

Everything stays uint8; the model normalises. Random numbers come from torch's global generator,
which a data loader seeds in each of its workers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from stillmotion.errors import ConfigurationError
from stillmotion.shapes import Frames

Crops = UInt8[Tensor, "crops T 3 size size"]
MAGNITUDES = 31
"""Strengths of RandAugment's operations, from nothing to the most."""
GREY = 128
"""What fills the corners of a frame that RandAugment has turned or moved."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly training clips are varied.

    Raises:
        ConfigurationError: a value out of its range.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    """Least and greatest area of the crop, as a fraction of the frame, in (0, 1]."""
    ratio: tuple[float, float] = (0.75, 4 / 3)
    """Narrowest and widest crop, as width / height, before it is resized to a square."""
    flip: float = 0.0
    """Probability of mirroring. Nothing by default: left or right may be what names the class."""
    colour: float = 0.0
    """Strength of changes in brightness, contrast and saturation, in [0, 1]; hue moves a tenth."""
    operations: int = 0
    """RandAugment (Cubuk et al., arXiv 1909.13719): how many random operations in a row."""
    magnitude: int = 9
    """Strength of each of them, from 0 to 30."""
    erase: float = 0.0
    """Probability of blanking one rectangle, the same in all frames."""

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigurationError(f"scale must rise within (0, 1], got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigurationError(f"ratio must rise and be positive, got {self.ratio}")
        for name in ("flip", "colour", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.operations < 0 or not 0 <= self.magnitude < MAGNITUDES:
            raise ConfigurationError(
                f"RandAugment takes operations of 0 and more, and a magnitude from 0 to "
                f"{MAGNITUDES - 1}, got {self.operations} and {self.magnitude}"
            )


def train_transform(size: int, augmentation: Augmentation) -> Callable[[Tensor], Tensor]:
    """A random crop, resized to `size`, then what else the augmentation asks for.

    Returns:
        A function from uint8 (T, 3, H, W) to uint8 (T, 3, size, size).
    """
    a = augmentation
    steps: list[v2.Transform] = [
        v2.RandomResizedCrop(size, scale=a.scale, ratio=a.ratio, antialias=True)
    ]
    if a.flip:
        steps.append(v2.RandomHorizontalFlip(a.flip))
    if a.colour:
        steps.append(v2.ColorJitter(a.colour, a.colour, a.colour, a.colour / 10))
    if a.operations:
        steps.append(v2.RandAugment(a.operations, a.magnitude, MAGNITUDES, fill=GREY))
    if a.erase:
        steps.append(v2.RandomErasing(a.erase))
    return v2.Compose(steps)


def test_crops(size: int, *, num_crops: int = 1) -> Callable[[Tensor], Tensor]:  # noqa: PT028
    """Resizes the shorter side to `size`, then takes squares: the middle one, or three in a row.

    Args:
        num_crops: 1, or 3 spread along the longer side from one edge to the other.

    Returns:
        A function from uint8 (T, 3, H, W) to uint8 (num_crops, T, 3, size, size).

    Raises:
        ConfigurationError: another number of crops.
    """
    if num_crops not in (1, 3):
        raise ConfigurationError(f"num_crops must be 1 or 3, got {num_crops}")
    return partial(_crop, size=size, num_crops=num_crops)


def _crop(frames: Frames, *, size: int, num_crops: int) -> Crops:
    resized = functional.resize(frames, [size], antialias=True)
    top, left = resized.shape[-2] - size, resized.shape[-1] - size
    places = [1] if num_crops == 1 else [0, 1, 2]
    corners = [(top * place // 2, left * place // 2) for place in places]
    return torch.stack([resized[..., y : y + size, x : x + size] for y, x in corners])
