"""The order of training over shards: each tar nearly in sequence, the samples well mixed.

Reading samples of a thousand tars in any order means a thousand tars at once: slow on disks, slower
over a network. Here the shards are shuffled, `WINDOW` of them are taken at a time, and their
samples are shuffled together. An order follows from the seed and the epoch alone.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch.utils.data import Sampler

from stillmotion.data.annotations import Sample
from stillmotion.data.tar_member import split_member

WINDOW = 4
"""Shards that are read at the same time. Shards are written in random order, so that even one holds
a fair mixture."""


class ShardOrder(Sampler[int]):
    """Indices of samples in a new order in each epoch.

    Args:
        shards: for each sample, the shard that holds it, in whatever form.
        window: shards that are mixed.
    """

    def __init__(self, shards: Sequence[object], *, seed: int, window: int = WINDOW) -> None:
        self.shards, self.seed, self.window = tuple(shards), seed, window
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order; accelerate's loaders call this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.shards)

    def __iter__(self) -> Iterator[int]:
        return iter(shard_order(self.shards, seed=self.seed, epoch=self.epoch, window=self.window))


def shard_order(
    shards: Sequence[object], *, seed: int, epoch: int, window: int = WINDOW
) -> list[int]:
    """Each index of `shards` once: windows of shards one after the other, shuffled inside.

    Between the first and the last index of a shard lie only indices of its own window.
    """
    inside: dict[object, list[int]] = {}
    for index, shard in enumerate(shards):
        inside.setdefault(shard, []).append(index)
    generator = random.Random(f"{seed} {epoch}")
    groups = list(inside.values())
    generator.shuffle(groups)
    order: list[int] = []
    for first in range(0, len(groups), window):
        mixed = [index for group in groups[first : first + window] for index in group]
        generator.shuffle(mixed)
        order += mixed
    return order


def shards_of(samples: Sequence[Sample]) -> list[Path] | None:
    """The tar of each sample, or its folder where it lies in none; None where no sample does."""
    tars = {path: split_member(path) for path in {sample.path for sample in samples}}
    if not any(tars.values()):
        return None
    found = [tars[sample.path] for sample in samples]
    return [
        tar[0] if tar else sample.path.parent for tar, sample in zip(found, samples, strict=True)
    ]
