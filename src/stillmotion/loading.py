"""Where videos meet models: loaders of clips in the size and sampling that a model takes."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.crops import view_crops
from stillmotion.data.dataset import ClipDataset, collate
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.mirror import Mirror
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.shards import ShardOrder, shards_of
from stillmotion.data.transforms import Augmentation, train_transform
from stillmotion.data.verify import refuse_overlap
from stillmotion.errors import CheckpointError, ConfigurationError, DataError
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Videos, Views

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
) -> DataLoader:
    """Random clips in random order.

    The clips follow from the seed and the data set's epoch, their order from ``loader.generator``:
    with workers that start anew in every epoch, as others draw less from it, it is the same for any
    number of them. The order over tars is a `ShardOrder`, and follows from the seed and its epoch.

    Args:
        batch_size: in clips, a multiple of ``augmentation.repeats``.
        mirror: what becomes of the labels of mirrored clips.
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
    shards = shards_of(samples)
    order = None if shards is None else ShardOrder(shards, seed=seed)
    return DataLoader(
        dataset,
        batch_size=batch_size // augmentation.repeats,
        shuffle=order is None,
        sampler=order,
        generator=torch.Generator().manual_seed(seed),
        **_workers(workers),
    )


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
    """The fixed views of each video, in order; ``batch_size`` counts clips."""
    dataset = view_dataset(
        samples, sampling=sampling, image_size=image_size, views=views, keep=keep, cache=cache
    )
    videos = max(1, batch_size // (views.clips * views.crops))
    return DataLoader(
        dataset, batch_size=videos, persistent_workers=workers > 0, **_workers(workers)
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


def sampling_of(model: VideoClassifier) -> Sampling:
    """How clips were drawn when a model was trained.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told: dict[str, Any] = dict(model.info.get("sampling", {"num_frames": model.num_frames}))
    try:
        return Sampling(**told | {"strides": tuple(told.get("strides", ()))})
    except (TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's sampling is damaged: {told}") from error


def views_of(model: VideoClassifier) -> Views:
    """The views with which a model was scored when it was trained; one where it is not known."""
    told = model.info.get("views", {})
    try:
        return Views(**told)
    except (TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's views are damaged: {told}") from error


def _workers(workers: int) -> dict[str, Any]:
    return {
        "collate_fn": collate,
        "num_workers": workers,
        "pin_memory": torch.cuda.is_available(),
    }


def choose_split(
    data: str | Path, options: Videos, model: VideoClassifier, split: str | None
) -> tuple[VideoList, str]:
    """The videos to score, and what they are: a split by name, else test, else val, else all.

    Labels are names of the model's classes or indices into them, unless the options name others.

    Raises:
        DataError: where the data cannot be read, or has no such split.
    """
    videos = read_videos(
        data,
        root=options.root,
        classes=options.classes or model.class_names,
        columns=options.columns,
        exclude=options.exclude,
    )
    if split is None:
        split = next((name for name in ("test", "val") if name in videos.splits), None)
    if split is None:
        log.warning("%s names no splits: ALL its videos are scored, seen in training or not", data)
        return videos, "all"
    if split == "val":
        log.warning("these videos chose the best epoch: the score may be a little too good")
    scored = videos.only(split)
    if split != "train":
        scored_split = scored.samples[0].split
        others = [sample for sample in videos.samples if sample.split != scored_split]
        splits = {"another split": others, split: scored.samples}
        refuse_overlap(splits, videos.source, allowed=options.allow_overlap)
    return scored, split


def different_classes(wanted: Sequence[str], given: Sequence[str]) -> str:
    """Say how two lists of classes differ."""
    missing, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    what = "orders them otherwise"
    if missing:
        what = f"lacks {missing[:5]}"
    elif extra:
        what = f"adds {extra[:5]}"
    return (
        f"the model was trained on {len(wanted)} classes, this data has {len(given)} and {what}. "
        "Name the model's classes: videos.classes=FILE"
    )


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
