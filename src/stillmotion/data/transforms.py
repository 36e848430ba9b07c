"""From frames to the square clip that a model learns from: one draw for all frames of a clip.

Everything stays uint8; the model normalises. Random numbers come from torch's global generator,
which `ClipDataset` seeds for each video. Mirroring is not here: it may change the label.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2

from stillmotion.data.crops import Interpolation, cut, jitter_crop, multiscale_crop
from stillmotion.data.operations import MAGNITUDES, Erase, Lighting, RandomOperations
from stillmotion.errors import ConfigurationError
from stillmotion.fields import check_types, within
from stillmotion.shapes import Frames


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly training clips are varied.

    Raises:
        ConfigurationError: a value out of its range.
    """

    crop: Literal["resized", "jitter", "multiscale"] = "resized"
    """What becomes the clip's square: a part of random size and shape; a square at a random zoom;
    or one of TSN's corners, edges and middles in a few sizes."""
    scale: tuple[float, float] = (0.5, 1.0)
    """resized: least and greatest area of the crop, as a fraction of the frame, in (0, 1]."""
    ratio: tuple[float, float] = (0.75, 4 / 3)
    """resized: narrowest and widest crop, as width / height, before it becomes a square."""
    zoom: tuple[float, float] = (1.0, 1.15)
    """jitter: least and greatest shorter side of the resized frames, in crops; both at least 1."""
    sides: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    """multiscale: possible sides of the crop, as fractions of the shorter side. Height and width
    are the same or neighbours."""
    interpolation: Interpolation = "bilinear"
    """Between pixels, where a crop is resized."""
    flip: float = 0.0
    """Probability of mirroring. Classes that a mirror swaps ("left", "right") swap with it, and
    those without a counterpart are never mirrored; `stillmotion check` shows which."""
    mirror: str | None = None
    """File with the classes that a mirror swaps, where their names do not say it."""
    colour: float = 0.0
    """Strength of changes in brightness, contrast and saturation, in [0, 1]; hue moves a tenth."""
    lighting: float = 0.0
    """Deviation of light of another colour, along the main axes of ImageNet's: 0.1 in AlexNet."""
    operations: int = 0
    """RandAugment (Cubuk et al., arXiv 1909.13719): how many random operations in a row."""
    magnitude: int = 9
    """Strength of each of them, from 0 to 30."""
    magnitude_std: float = 0.0
    """Deviation of each operation's strength: 1.5 for timm's mstd0.5."""
    operation_probability: float = 1.0
    """How often each of them is done: 0.5 in timm's RandAugment."""
    operations_first: bool = False
    """Operations come before the crop, as in timm, and not after it."""
    erase: float = 0.0
    """Probability of blanking one rectangle, the same in all frames."""
    erase_fill: Literal["black", "noise"] = "black"
    """With what."""
    repeats: int = 1
    """Clips of a video in a batch, each drawn and varied for itself, of which the video is opened
    once (Hoffer et al., arXiv 1901.09335). An epoch then has so many times the clips."""
    mixup: float = 0.0
    """Beta distribution's parameter of the weights with which clips and their labels are blended
    (Zhang et al., arXiv 1710.09412): 0.8 in ViT's recipes; 0: never."""
    cutmix: float = 0.0
    """The same for pasting a rectangle of one clip into another, the same in all frames (Yun et
    al., arXiv 1905.04899)."""
    mix_probability: float = 1.0
    """How often a batch is mixed at all; where mixup and cutmix are both asked for, either is."""

    def __post_init__(self) -> None:
        check_types(self, "augmentation")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigurationError(f"scale must rise within (0, 1], got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigurationError(f"ratio must rise and be positive, got {self.ratio}")
        if not 1 <= self.zoom[0] <= self.zoom[1]:
            raise ConfigurationError(f"zoom must rise and be at least 1, got {self.zoom}")
        if not self.sides or not all(0 < side <= 1 for side in self.sides):
            raise ConfigurationError(f"sides must lie in (0, 1], got {self.sides}")
        chances = ("flip", "colour", "erase", "operation_probability", "mix_probability")
        within(self, *chances, least=0, most=1)
        within(self, "lighting", "magnitude_std", "mixup", "cutmix", "operations", least=0)
        within(self, "magnitude", least=0, most=MAGNITUDES - 1)
        within(self, "repeats", least=1)


def train_transform(size: int, augmentation: Augmentation) -> Callable[[Tensor], Tensor]:
    """A random crop, resized to `size`, and what else the augmentation asks for.

    Returns:
        A function from uint8 (T, 3, H, W) to uint8 (T, 3, size, size).
    """
    a = augmentation
    steps: list[Callable[[Tensor], Tensor]] = [partial(random_crop, size=size, augmentation=a)]
    if a.operations:
        drawn = RandomOperations(
            operations=a.operations,
            magnitude=a.magnitude,
            probability=a.operation_probability,
            magnitude_std=a.magnitude_std,
        )
        steps.insert(0 if a.operations_first else 1, drawn)
    if a.colour:
        steps.append(v2.ColorJitter(a.colour, a.colour, a.colour, a.colour / 10))
    if a.lighting:
        steps.append(Lighting(a.lighting))
    if a.erase:
        steps.append(Erase(a.erase, a.erase_fill))
    return v2.Compose(steps)


def random_crop(
    frames: Frames, *, size: int, augmentation: Augmentation
) -> UInt8[Tensor, "T 3 size size"]:
    """A part of the frames, drawn, as a square of ``size`` pixels."""
    a, (height, width) = augmentation, frames.shape[-2:]
    match a.crop:
        case "resized":
            resized = v2.RandomResizedCrop(size, scale=a.scale, ratio=a.ratio)
            drawn = resized.make_params([frames])
            crop = drawn["top"], drawn["left"], drawn["height"], drawn["width"]
        case "jitter":
            zoom = a.zoom[0] + (a.zoom[1] - a.zoom[0]) * float(torch.rand(()))
            crop = jitter_crop(height, width, zoom=zoom)
        case "multiscale":
            crop = multiscale_crop(height, width, sides=a.sides)
    return cut(frames, crop, size=size, interpolation=a.interpolation)
