"""Frozen features, computed once: where nothing before them trains, no epoch needs pixels.

A probe's clips become what the image model makes of their frames, in the same items and batches,
and what of the model trains behind them takes its place.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from stillmotion.data.dataset import Batch, Item, collate, separate
from stillmotion.data.progress import Progress
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Recipe
from stillmotion.shapes import FrameFeatures, Logits
from stillmotion.training.data import Loaders
from stillmotion.training.splits import Splits


class FrameProbe(nn.Module):
    """All of a probe that trains: the features of each frame (B, T, C) to logits (B, K).

    It shares its modules with the model, for which it stands in where batches hold features.
    """

    def __init__(self, model: VideoClassifier) -> None:
        super().__init__()
        assert model.method.reads_frozen_frames
        self.method, self.combine = model.method, model.combine
        self.trunk, self.readout, self.head = model.trunk, model.readout, model.head
        self.dims = (model.readout.frame_dim, *self.trunk.observed_dims)

    def branches(self, frames: FrameFeatures) -> Float[Tensor, "B V outputs"]:
        """The head's outputs for each branch."""
        image, *observed = frames.split(self.dims, dim=-1)
        return self.head.branches([*self.trunk.speak(observed), self.readout.summary(image)])

    def forward(self, frames: FrameFeatures) -> Logits:
        return self.combine(self.head.vote(self.branches(frames)))


class FrozenClips(Dataset[Item]):
    """Clips as the features of their frames, in memory: epoch e has clip e mod k of each video.

    Args:
        items: k lists with one item for each video, whose clip is a feature (T, C) a frame (in
            test (V, T, C)); or with the reason why there is none.
    """

    def __init__(self, items: Sequence[Sequence[Item]]) -> None:
        self.items, self.epoch = items, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the clips; accelerate's loaders call this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.items[0])

    def __getitem__(self, index: int) -> Item:
        return self.items[self.epoch % len(self.items)][index % len(self)]

    @property
    def num_bytes(self) -> int:
        """What the features take."""
        clips = (item["clip"] for items in self.items for item in items if "clip" in item)
        return sum(clip.nbytes for clip in clips)


@torch.no_grad()
def frozen(model: VideoClassifier, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches with the features of their frames, float32 on the CPU, for their pixels."""
    model.eval()
    for batch in batches:
        if len(batch):
            clip = batch.clip.flatten(0, -5).to(model.mean.device, non_blocking=True)
            frames = model.frame_features(model.normalise(clip)).float().cpu()
            batch = replace(batch, clip=frames.unflatten(0, batch.clip.shape[:-4]))
        yield batch


def freeze_clips(
    recipe: Recipe,
    model: VideoClassifier,
    splits: Splits,
    loaders: Loaders,
    *,
    accelerator: Accelerator,
    on_progress: Progress,
) -> Loaders:
    """Loaders of features: of the clips that the first epochs would draw, and of all views.

    Every process computes all of them. What they are follows from the recipe's seed alone.
    """
    model.to(accelerator.device)
    epochs, videos = recipe.training.cache_clips, len(splits.train)
    with accelerator.autocast():
        drawn = items_of(
            frozen(model, first_epochs(loaders.train, recipe)), epochs * videos, on_progress
        )
        views = items_of(frozen(model, loaders.val or ()), len(splits.val or ()), on_progress)
    passes = [drawn[e * videos : (e + 1) * videos] for e in range(epochs)]
    train = FrozenClips([sorted(items, key=itemgetter("index")) for items in passes])
    val = FrozenClips([views])
    return replace(
        loaders,
        train=over(train, loaders.train, sampler=loaders.train.sampler),
        val=over(val, loaders.val) if loaders.val else None,
        clip_shape=(
            model.backbone.num_steps(recipe.sampling.num_frames),
            sum(FrameProbe(model).dims),
        ),
        feature_bytes=train.num_bytes + val.num_bytes,
    )


def items_of(batches: Iterable[Batch], count: int, on_progress: Progress) -> list[Item]:
    """All items of the batches as they come, ``count`` in the end."""
    found: list[Item] = []
    for batch in batches:
        found += separate(batch)
        on_progress(len(found), count)
    return found


def first_epochs(loader: DataLoader, recipe: Recipe) -> Iterator[Batch]:
    """All clips of the first ``cache_clips`` epochs, one epoch after the other."""
    for epoch in range(recipe.training.cache_clips):
        loader.dataset.set_epoch(epoch)  # type: ignore[attr-defined]
        yield from over(loader.dataset, loader)


def over(clips: Dataset, loader: DataLoader, *, sampler: Iterable[int] | None = None) -> DataLoader:
    """A loader of clips in batches like those of another; without a sampler, in their order."""
    return DataLoader(
        clips,
        batch_size=loader.batch_size,
        sampler=sampler,
        num_workers=0 if isinstance(clips, FrozenClips) else loader.num_workers,
        generator=loader.generator,
        collate_fn=collate,
        pin_memory=loader.pin_memory,
    )
