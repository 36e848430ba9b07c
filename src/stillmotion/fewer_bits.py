"""A model in fewer bits, checked on some of the very videos that it will be asked about."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from stillmotion.as_trained import sampling_of
from stillmotion.data.annotations import Sample
from stillmotion.errors import DataError
from stillmotion.loading import view_dataset
from stillmotion.model import VideoClassifier
from stillmotion.quantising import CHECKED, Agreement, quantise
from stillmotion.settings import Precision, Views


def in_fewer_bits(
    model: VideoClassifier, precision: Precision, samples: Sequence[Sample], *, views: Views
) -> tuple[nn.Module, Agreement]:
    """The model in fewer bits, clips to logits, and how it did on some of the videos.

    Raises:
        DataError: where none of the videos can be read, with the first one's reason.
        ConfigurationError, QuantisingError: see `stillmotion.quantising.quantise`.
    """
    clips = clips_to_check(model, samples, views=views)
    return quantise(model, precision, clips.to(model.mean.device))


def clips_to_check(
    model: VideoClassifier, samples: Sequence[Sample], *, views: Views, most: int = CHECKED
) -> UInt8[Tensor, "B T 3 height width"]:
    """One view of each of the first ``most`` readable videos, in an order that spreads them.

    Raises:
        DataError: where none of the videos can be read, with the first one's reason.
    """
    dataset = view_dataset(
        samples,
        sampling=sampling_of(model),
        image_size=model.backbone.image_size[0],
        views=views.single(),
    )
    clips: list[Tensor] = []
    reasons: list[str] = []
    for index in spread(len(samples)):
        item = dataset[index]
        if "error" in item:
            reasons.append(str(item["error"]))
        else:
            clips.append(item["clip"][0])
        if len(clips) == most:
            break
    if not clips:
        first = f"; the first: {reasons[0]}" if reasons else ""
        raise DataError(
            f"fewer bits are taken after a check, and none of {len(samples)} videos can be "
            f"read{first}"
        )
    return torch.stack(clips)


def spread(count: int) -> list[int]:
    """The numbers below ``count`` in an order of which every beginning is spread over all of them.

    By multiples of the golden ratio, modulo 1: gaps are at most twice the mean, and no period, such
    as classes that take turns in a list, meets its own.
    """
    golden = (math.sqrt(5) - 1) / 2
    return sorted(range(count), key=lambda number: number * golden % 1)
