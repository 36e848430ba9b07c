"""Changes to the pixels of a clip that leave its shape alone: one draw for all frames.

Each is made once and called with uint8 frames (T, 3, H, W). Random numbers come from torch's
global generator.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torchvision.transforms import v2

from stillmotion.shapes import Frames

MAGNITUDES = 31
"""Strengths of RandAugment's operations, from nothing to the most."""
GREY = 128
"""What fills the corners of a frame that RandAugment has turned or moved."""

LIGHT = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
LIGHT_STRENGTH = (55.46, 4.794, 1.148)
"""Directions (columns, over red, green and blue) in which ImageNet's colours vary, and by how many
of 255 levels (Krizhevsky et al., 2012; the numbers of fb.resnet.torch)."""


@dataclass(frozen=True, kw_only=True)
class RandomOperations:
    """RandAugment (Cubuk et al., arXiv 1909.13719): random operations in a row.

    timm's "rand-m7-n4-mstd0.5-inc1" is four operations, each done half of the time, at magnitude 21
    of 30 with a deviation of 1.5: torchvision counts to 30 where timm counts to 10.
    """

    operations: int
    magnitude: int
    probability: float = 1.0
    magnitude_std: float = 0.0
    strengths: list[v2.RandAugment] = field(
        default_factory=lambda: [
            v2.RandAugment(1, magnitude, MAGNITUDES, fill=GREY) for magnitude in range(MAGNITUDES)
        ]
    )
    """One operation at each magnitude."""

    def __call__(self, frames: Frames) -> Frames:
        for _ in range(self.operations):
            if torch.rand(()) < self.probability:
                magnitude = self.magnitude + self.magnitude_std * float(torch.randn(()))
                nearest = min(MAGNITUDES - 1, max(0, round(magnitude)))
                frames = self.strengths[nearest](frames)
        return frames


@dataclass(frozen=True)
class Lighting:
    """Light of another colour: moves all pixels along the main axes of ImageNet's colours."""

    deviation: float
    """Of the draws, in units of each axis' own spread: 0.1 in AlexNet."""

    def __call__(self, frames: Frames) -> Frames:
        weight = torch.randn(3) * self.deviation * torch.tensor(LIGHT_STRENGTH)
        shift = (torch.tensor(LIGHT) @ weight)[:, None, None]
        return (frames.float() + shift).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Erase:
    """Blanks one rectangle, the same in all frames (Zhong et al., arXiv 1708.04896)."""

    probability: float
    fill: Literal["black", "noise"] = "black"
    """"noise": every pixel of every frame is random."""

    def __call__(self, frames: Frames) -> Frames:
        shape = frames[:1, :1].shape  # the rectangle is drawn on a mask, as torchvision draws it
        erased = v2.RandomErasing(self.probability)(torch.ones(shape, dtype=torch.uint8)) == 0
        if not erased.any():
            return frames
        fill = torch.zeros((), dtype=torch.uint8)
        if self.fill == "noise":
            fill = torch.randint(256, frames.shape, dtype=torch.uint8)
        return torch.where(erased, fill, frames)
