"""Where videos meet models: loaders of clips in the size and sampling that a model takes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from stillmotion.data.annotations import Sample
from stillmotion.data.dataset import ClipDataset, collate
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation, test_crops, train_transform
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Views

MARGIN = 8 / 7
"""Videos are decoded for training to a short side this much longer than a clip's: 256 for 224."""


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
) -> DataLoader:
    """Random clips in random order; both follow from ``loader.generator``, so it can be seeded.

    Workers start anew in every epoch, because torch seeds them only when they start.
    """
    dataset = ClipDataset(
        samples,
        sampling=sampling,
        transform=train_transform(image_size, augmentation),
        train=True,
        short_side=round(image_size * MARGIN),
        keep=keep,
    )
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
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
) -> DataLoader:
    """The fixed views of each video, in order; ``batch_size`` counts clips."""
    dataset = ClipDataset(
        samples,
        sampling=sampling,
        transform=test_crops(image_size, num_crops=views.crops),
        train=False,
        num_clips=views.clips,
        short_side=None if keep else image_size,
        keep=keep,
    )
    videos = max(1, batch_size // (views.clips * views.crops))
    return DataLoader(
        dataset, batch_size=videos, persistent_workers=workers > 0, **_workers(workers)
    )


def sampling_of(model: VideoClassifier) -> Sampling:
    """How clips were drawn when a model was trained.

    Raises:
        CheckpointError: where the checkpoint says what cannot be.
    """
    told = model.info.get("sampling", {"num_frames": model.num_frames})
    try:
        return Sampling(**told)
    except (TypeError, ConfigurationError) as error:
        raise CheckpointError(f"the checkpoint's sampling is damaged: {told}") from error


def _workers(workers: int) -> dict[str, Any]:
    return {
        "collate_fn": collate,
        "num_workers": workers,
        "pin_memory": torch.cuda.is_available(),
    }
