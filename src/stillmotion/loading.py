"""Where videos meet models: loaders of clips in the size and sampling that a model takes."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.crops import view_crops
from stillmotion.data.dataset import ClipDataset, collate
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.mirror import Mirror
from stillmotion.data.orders import (
    EpochOrder,
    balanced,
    by_shard,
    shard_by_shard,
    shards_of,
    shuffled,
)
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation, train_transform
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.settings import Views

log = logging.getLogger("stillmotion")

MARGIN = 8 / 7
"""Videos are decoded for training to a short side this much longer than a clip's: 256 for 224."""

REGION = 2
"""And to so many times that where a region of the frames is used."""


def clip_loader(
    samples: Sequence[Sample],
    *,
    sampling: Sampling,
    image_size: int,
    augmentation: Augmentation,
    batch_size: int,
    workers: int,
    seed: int,
    keep: FrameStore | None = None,
    cache: FrameCache | None = None,
    mirror: Mirror | None = None,
    draw: Literal["each", "balanced"] = "each",
) -> DataLoader:
    """Random clips in random order: both follow from the seed and the epoch alone, which the data
    set and ``loader.sampler`` are told.

    Args:
        batch_size: in clips, a multiple of ``augmentation.repeats``.
        mirror: what becomes of the labels of mirrored clips.
        draw: every video once an epoch, or every class as often.
    """
    assert batch_size % augmentation.repeats == 0
    side = round(image_size * MARGIN)
    dataset = ClipDataset(
        samples,
        sampling=sampling,
        transform=train_transform(image_size, augmentation),
        train=True,
        short_side=side if sampling.region == "frame" else REGION * side,
        keep=keep,
        cache=cache,
        seed=seed,
        repeats=augmentation.repeats,
        flip=augmentation.flip,
        mirror=mirror,
    )
    return DataLoader(
        dataset,
        batch_size=batch_size // augmentation.repeats,
        sampler=epoch_order(samples, draw=draw, seed=seed),
        generator=torch.Generator(),  # of the workers' own seeds, so that no other is drawn from
        persistent_workers=workers > 0,
        **_workers(workers),
    )


def epoch_order(
    samples: Sequence[Sample], *, draw: Literal["each", "balanced"], seed: int
) -> EpochOrder:
    """The order in which an epoch shows samples; over tars, nearly in their own."""
    if draw == "balanced":
        order = partial(balanced, [sample.label for sample in samples])
    elif shards := shards_of(samples):
        order = partial(by_shard, shards)
    else:
        order = partial(shuffled, len(samples))
    return EpochOrder(order, length=len(samples), seed=seed)


def view_loader(
    samples: Sequence[Sample],
    *,
    sampling: Sampling,
    image_size: int,
    views: Views,
    workers: int,
    batch_size: int = 8,
    keep: FrameStore | None = None,
    cache: FrameCache | None = None,
) -> DataLoader:
    """The fixed views of each video, in order, or tar by tar; ``batch_size`` counts clips."""
    dataset = view_dataset(
        samples, sampling=sampling, image_size=image_size, views=views, keep=keep, cache=cache
    )
    videos = max(1, batch_size // (views.clips * views.crops))
    shards = shards_of(samples)
    return DataLoader(
        dataset,
        batch_size=videos,
        sampler=shard_by_shard(shards) if shards else None,
        persistent_workers=workers > 0,
        **_workers(workers),
    )


def view_dataset(
    samples: Sequence[Sample],
    *,
    sampling: Sampling,
    image_size: int,
    views: Views,
    keep: FrameStore | None = None,
    cache: FrameCache | None = None,
) -> ClipDataset:
    """The fixed views of each video.

    Raises:
        ConfigurationError: where the views and the image size do not fit.
    """
    # The decoder's own resizing is bilinear, and knows nothing of a region.
    as_stored = keep or sampling.region != "frame" or views.interpolation != "bilinear"
    return ClipDataset(
        samples,
        sampling=sampling,
        transform=view_crops(
            image_size,
            num_crops=views.crops,
            short_side=views.short_side,
            interpolation=views.interpolation,
            spread=views.spread,
        ),
        train=False,
        num_clips=views.clips,
        spread=views.spread,
        short_side=None if as_stored else views.short_side or image_size,
        keep=keep,
        cache=cache,
    )


def refuse_mirrored(views: Views, mirror: Mirror) -> None:
    """Ten crops are five and their mirror images, which some classes do not stand.

    Raises:
        ConfigurationError: for ten crops where a mirror changes a class.
    """
    if views.crops == 10 and not mirror.is_plain:
        raise ConfigurationError(
            "views.crops=10 shows each video mirrored as well, which makes another class of some: "
            f"{mirror.line()}. Choose 3 crops"
        )


def _workers(workers: int) -> dict[str, Any]:
    return {
        "collate_fn": collate,
        "num_workers": workers,
        "pin_memory": torch.cuda.is_available(),
    }


def refuse_too_many(
    failures: dict[int, str], videos: VideoList, most: float
) -> list[dict[str, str]]:
    """Path and reason of each unreadable video; an error where they are too many."""
    listed = [
        {"path": videos.relative_paths[index], "reason": reason}
        for index, reason in sorted(failures.items())
    ]
    if len(listed) == len(videos) or len(listed) > most * len(videos):
        first = "; ".join(row["reason"] for row in listed[:3])
        raise DataError(
            f"{len(listed)} of {len(videos)} videos cannot be read, and max_unreadable is "
            f"{most:.0%}. `stillmotion check` lists them all; the first: {first}"
        )
    return listed
