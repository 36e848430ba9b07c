"""Folding linear adapters into the image model: a video model that costs what the image model does.

What is left beside the image model is ZeroI2V's shift, which costs nothing, its temporal embedding
of T x C numbers, and a bias where an adapter stood beside a linear map that had none.
"""

import copy

import torch
from torch import Tensor, nn

from stillmotion.backbones import OWN_WEIGHTS, frozen_block
from stillmotion.errors import ConfigurationError, MergeError
from stillmotion.methods import Method
from stillmotion.model import VideoClassifier
from stillmotion.nn.state import relative

TOLERANCE = 1e-4
"""Of the merged logits, relative to the greatest of the logits before."""


def merges(method: Method) -> bool:
    """Whether a method's adapters can be folded, and are not yet."""
    return type(method).merged is not Method.merged and method.merged() != method


@torch.no_grad()
def merge(model: VideoClassifier, *, tolerance: float = TOLERANCE) -> VideoClassifier:
    """A new model that answers as this one does and has no adapters. The given one stays as it is.

    Weights are combined in float64 and kept in the model's own number type.

    Args:
        tolerance: the greatest difference of the logits on random clips, relative to the greatest
            logit.

    Raises:
        ConfigurationError: where the method's adapters cannot be folded.
        MergeError: where the logits differ by more; the block that differs most is named.
    """
    if not isinstance(model, VideoClassifier):
        raise ConfigurationError(f"merge takes a model, such as load({model!r}), not {model!r}")
    method = model.method.merged()
    if method == model.method:
        raise ConfigurationError(f"this {method.name} model is merged already: it has no adapters")
    parts = copy.deepcopy(model).eval().double()
    for block in parts.trunk.blocks:
        if hasattr(block, "merge"):
            block.merge()  # type: ignore[operator]
    parts.backbone.blocks = nn.ModuleList(map(frozen_block, parts.trunk.blocks))
    parts.backbone.weights = OWN_WEIGHTS
    merged = VideoClassifier(
        parts.backbone,
        method,
        num_frames=model.num_frames,
        class_names=model.class_names,
        parts=model.parts,
    )
    merged.stem, merged.readout, merged.head = parts.stem, parts.readout, parts.head
    merged.to(model.mean).eval()
    difference = refuse_difference(model, merged, tolerance)
    merged.info = model.info | {"merging_difference": difference}
    return merged


def refuse_difference(model: VideoClassifier, merged: VideoClassifier, tolerance: float) -> float:
    """Compare both models on random clips of as many frames as they take."""
    was_training = model.training
    model.eval()
    try:
        clip = random_clip(model)
        want = model.forward_normalised(clip)
        difference = relative(merged.forward_normalised(clip), want)
        if not difference <= tolerance:
            number, its = worst_block(model, merged, clip)
            raise MergeError(
                f"the merged model's logits differ by {difference:.2g} of the greatest (allowed: "
                f"{tolerance:.2g}); block {number} differs most, by {its:.2g}. Merge in another "
                f"number type than {str(clip.dtype).removeprefix('torch.')}, or allow more"
            )
        return difference
    finally:
        model.train(was_training)


def random_clip(model: VideoClassifier) -> Tensor:
    """Two clips of noise, always the same."""
    height, width = model.backbone.image_size
    noise = torch.Generator().manual_seed(0)
    return torch.randn(2, model.num_frames, 3, height, width, generator=noise).to(model.mean)


def worst_block(model: VideoClassifier, merged: VideoClassifier, clip: Tensor) -> tuple[int, float]:
    """The block whose outputs differ most, given the same tokens, and by how much."""
    x, differences = model.stem(model.backbone, clip), []
    for before, after in zip(model.trunk.blocks, merged.trunk.blocks, strict=True):
        wanted = before(x)
        differences.append(relative(after(x), wanted))
        x = wanted
    worst = max(differences)
    return differences.index(worst), worst
