"""In which order an epoch shows its videos: it follows from the seed and the epoch's number alone.

Reading samples of a thousand tars in any order means a thousand tars at once: slow on disks, slower
over a network. There the shards are shuffled, `WINDOW` of them are taken at a time, and their
samples are shuffled together.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from torch.utils.data import Sampler

from stillmotion.data.annotations import Sample
from stillmotion.data.tar_member import split_member

WINDOW = 4
"""Shards that are read at the same time. Shards are written in random order, so that even one holds
a fair mixture."""


class EpochOrder(Sampler[int]):
    """Indices of samples in a new order in each epoch.

    Args:
        draw: an epoch's order, from random numbers.
        length: how many indices that are.
        seed: with the epoch, all that the random numbers follow from.
    """

    def __init__(self, draw: Callable[[Random], list[int]], *, length: int, seed: int) -> None:
        self.draw, self.length, self.seed, self.epoch = draw, length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order; accelerate's loaders call this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw(Random(f"{self.seed} {self.epoch}")))


def shuffled(count: int, random: Random) -> list[int]:
    """Each index once."""
    order = list(range(count))
    random.shuffle(order)
    return order


def balanced(labels: Sequence[int], random: Random) -> list[int]:
    """As many indices as there are labels, each class as often as any other, give or take one.

    A class shows all its videos before one comes again; then index i stands as i + n, as i + 2n and
    so on, for n videos in all: another draw of the same video.
    """
    of_class: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        of_class.setdefault(label, []).append(index)
    videos = {label: _again(indices, len(labels), random) for label, indices in of_class.items()}
    order: list[int] = []
    while len(order) < len(labels):
        classes = list(videos)
        random.shuffle(classes)
        order += [next(videos[label]) for label in classes]
    return order[: len(labels)]


def _again(indices: Sequence[int], count: int, random: Random) -> Iterator[int]:
    """All of them in some order, again and again; each time moved on by the number of all."""
    rest, moved = list(indices), 0
    while True:
        random.shuffle(rest)
        yield from (index + moved for index in rest)
        moved += count


def by_shard(shards: Sequence[object], random: Random, *, window: int = WINDOW) -> list[int]:
    """Each index once: windows of shards one after the other, shuffled inside.

    Between the first and the last index of a shard lie only indices of its own window.

    Args:
        shards: for each sample, the shard that holds it, in whatever form.
        window: shards that are mixed.
    """
    inside: dict[object, list[int]] = {}
    for index, shard in enumerate(shards):
        inside.setdefault(shard, []).append(index)
    groups = list(inside.values())
    random.shuffle(groups)
    order: list[int] = []
    for first in range(0, len(groups), window):
        mixed = [index for group in groups[first : first + window] for index in group]
        random.shuffle(mixed)
        order += mixed
    return order


def shard_by_shard(shards: Sequence[object]) -> list[int]:
    """Each index once, all of a shard in a row; otherwise as they stand.

    >>> shard_by_shard(["a", "b", "a"])
    [0, 2, 1]
    """
    first = {shard: place for place, shard in reversed(list(enumerate(shards)))}
    return sorted(range(len(shards)), key=lambda index: first[shards[index]])


def shards_of(samples: Sequence[Sample]) -> list[Path] | None:
    """The tar of each sample, or its folder where it lies in none; None where no sample does."""
    tars = {path: split_member(path) for path in {sample.path for sample in samples}}
    if not any(tars.values()):
        return None
    found = [tars[sample.path] for sample in samples]
    return [
        tar[0] if tar else sample.path.parent for tar, sample in zip(found, samples, strict=True)
    ]
