"""Clips blended with each other, and their labels with them.

Each clip meets the one before it in the batch, all at one weight; a rectangle is the same in all
frames. Random numbers come from torch's global generator.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms import v2

from stillmotion.data.transforms import Augmentation
from stillmotion.shapes import Clip, FrameFeatures, Labels, SoftLabels


def mix(
    clip: Clip | FrameFeatures, label: Labels, *, augmentation: Augmentation, num_classes: int
) -> tuple[Clip | FrameFeatures, Labels | SoftLabels]:
    """A batch as it is, or blended: by mixup, cutmix, or one of both where both are asked for.

    Args:
        clip: pixels; or the features of frames, which mixup blends as well.

    Returns:
        Clips, uint8 as given or float in [0, 1]; and indices of classes, or their shares.
    """
    a = augmentation
    kinds = [v2.MixUp] * (a.mixup > 0) + [v2.CutMix] * (a.cutmix > 0)
    if not kinds or torch.rand(()) >= a.mix_probability:
        return clip, label
    kind = kinds[int(torch.randint(len(kinds), ()))]
    blend = kind(alpha=a.mixup if kind is v2.MixUp else a.cutmix, num_classes=num_classes)
    images = as_images(clip)
    blended, shares = blend(images, label)
    return blended.view(clip.shape), shares


def as_images(clip: Clip | FrameFeatures) -> Float[Tensor, "B channels height width"]:
    """What torchvision blends: the frames of a clip as channels of one image, so that all of them
    share a rectangle; features as an image that is one pixel wide."""
    if clip.ndim == 3:
        return clip.unsqueeze(-1)
    pixels = clip.float() / 255 if clip.dtype == torch.uint8 else clip
    return pixels.flatten(1, 2)


def strongest(label: Labels | SoftLabels) -> Labels:
    """The class with the greatest share of each clip, by which accuracy in training is counted."""
    return label.argmax(dim=1) if label.is_floating_point() else label
