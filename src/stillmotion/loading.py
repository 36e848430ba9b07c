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
from stillmotion.data.mirror import Mirror, find_mirror
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
from stillmotion.errors import CheckpointError, ConfigurationError, DataError
from stillmotion.fields import allows
from stillmotion.model import VideoClassifier
from stillmotion.settings import Views

log = logging.getLogger("stillmotion")

MARGIN = 8 / 7
"""Videos are decoded for training to a short side this much longer than a clip's: 256 for 224."""

USUAL_SECONDS = 4.0
"""Length of a training video where nothing tells it: the usual one of Something-Something (Goyal et
al., arXiv 1706.04261)."""

MOST = 4096
"""Clips of a video, and pixels of its shorter side, that a checkpoint may ask for."""

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


def mirror_of(model: VideoClassifier) -> Mirror:
    """What a mirror makes of a model's classes: as was known when it was trained, else as their
    names say.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told, names = model.info.get("mirror"), model.class_names
    if told is None:
        return find_mirror(names)
    place: dict[str | None, int | None] = {None: None}
    place |= {name: label for label, name in enumerate(names)}
    try:
        labels = tuple(place[told.get(name, name)] for name in names)
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"the checkpoint's mirror is damaged: {told}") from error
    return Mirror(names, labels)


def sampling_of(model: VideoClassifier) -> Sampling:
    """How clips were drawn when a model was trained.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told: Any = model.info.get("sampling", {"num_frames": model.num_frames})
    try:
        sampling = Sampling(**told | {"strides": tuple(told.get("strides", ()))})
    except (AttributeError, TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's sampling is damaged: {told}") from error
    if sampling.num_frames > model.num_frames:
        raise CheckpointError(
            f"the checkpoint's sampling takes {sampling.num_frames} frames: this model was built "
            f"for 1 to {model.num_frames}"
        )
    return sampling


def views_of(model: VideoClassifier) -> Views:
    """The views with which a model was scored when it was trained; one where it is not known."""
    told = model.info.get("views", {})
    try:
        views = Views(**told)
        if max(views.clips, views.short_side or 0) > MOST:
            raise ConfigurationError("no score was ever made so")
    except (TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's views are damaged: {told}") from error
    return views


def usual_seconds_of(model: VideoClassifier) -> tuple[float, bool]:
    """How long the videos usually were that a model was trained on, and whether its checkpoint says
    so; where it does not, `USUAL_SECONDS`.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told = model.info.get("usual_seconds")
    if not told:
        return USUAL_SECONDS, False
    if not allows(float, told) or told < 0:
        raise CheckpointError(f"the checkpoint's usual_seconds is damaged: {told}")
    return float(told), True


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
