"""What exports have in common: which model is written, and the check of what was written."""

import copy
from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Tensor

from stillmotion.errors import ExportError
from stillmotion.merging import merge, merges
from stillmotion.model import VideoClassifier
from stillmotion.nn.state import relative
from stillmotion.shapes import Logits

BATCHES = (1, 2, 3)
"""How many clips at once the check shows."""

TOLERANCE = 1e-4
"""The greatest difference of the logits that is accepted, relative to the greatest logit."""


def plain_copy(model: VideoClassifier) -> VideoClassifier:
    """The model in float32, on the CPU, in evaluation mode; the given one stays as it is."""
    return copy.deepcopy(model).cpu().float().eval()


def folded(model: VideoClassifier) -> VideoClassifier:
    """The model with its adapters in the image model, where the method's fold; else itself.

    Raises:
        MergeError: where folding changes the logits; see `stillmotion.merge`.
    """
    return merge(model) if merges(model.method) else model


def random_clips(
    model: VideoClassifier, count: int, *, seed: int = 0
) -> UInt8[Tensor, "B T 3 height width"]:
    """Clips of noise, the same for the same seed."""
    noise = torch.Generator().manual_seed(seed)
    shape = (count, model.num_frames, 3, *model.backbone.image_size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=noise)


@torch.no_grad()
def refuse_difference(
    model: VideoClassifier,
    written: Callable[[UInt8[Tensor, "B T 3 height width"]], Logits],
    *,
    tolerance: float = TOLERANCE,
) -> float:
    """Ask the model and what was written the same, in batches of 1, 2 and 3 clips.

    Args:
        model: a `plain_copy`, before anything was folded.

    Returns:
        The greatest difference of the logits, relative to the greatest logit.

    Raises:
        ExportError: where it is above the tolerance.
    """
    differences = []
    for batch in BATCHES:
        clips = random_clips(model, batch, seed=batch)
        differences.append(relative(written(clips), model(clips)))
    greatest = max(differences)
    if not all(difference <= tolerance for difference in differences):
        raise ExportError(
            f"what was written answers otherwise than the model: logits differ by {greatest:.2g} "
            f"of the greatest (allowed: {tolerance:.2g}); nothing is kept"
        )
    return greatest
