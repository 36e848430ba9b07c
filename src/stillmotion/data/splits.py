"""Splits that do not leak: what belongs together is never on both sides."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stillmotion.data.annotations import VideoList
from stillmotion.data.contents import Content, told_apart
from stillmotion.errors import ConfigurationError


def split_by_group(
    videos: VideoList,
    *,
    fractions: Mapping[str, float],
    seed: int = 0,
    content: Mapping[Path, Content] | None = None,
) -> VideoList:
    """Assigns every sample to a split so that no group straddles two.

    Samples belong together if they share a group, a file, or files of the same bytes. Groups go one
    by one, the largest first, to the split that is furthest below its share of their classes;
    `seed` orders groups of equal size. So every class comes as near to the fractions as whole
    groups allow. `classes_missing` says where that is not near enough.

    Args:
        fractions: share of each split, such as `{"train": 0.8, "val": 0.2}`; they add up to 1.
        content: what `told_apart` says of all videos, where that is known already.

    Raises:
        ConfigurationError: fractions that are not positive or do not add up to 1.
    """
    if any(share <= 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ConfigurationError(f"fractions must be positive and add up to 1, got {fractions}")
    if content is None:
        content = told_apart(sample.path for sample in videos.samples)
    groups = _groups(videos, content)
    order = random.Random(seed)
    order.shuffle(groups)
    groups.sort(key=len, reverse=True)
    totals = Counter(sample.label for sample in videos.samples)
    room = {split: {k: share * n for k, n in totals.items()} for split, share in fractions.items()}
    assigned: dict[int, str] = {}
    for group in groups:
        labels = Counter(videos.samples[index].label for index in group)
        split = max(room, key=lambda name: _need(room[name], labels, totals))
        for label, count in labels.items():
            room[split][label] -= count
        assigned |= dict.fromkeys(group, split)
    samples = tuple(
        replace(sample, split=assigned[index]) for index, sample in enumerate(videos.samples)
    )
    return replace(videos, samples=samples)


def classes_missing(videos: VideoList) -> dict[str, tuple[str, ...]]:
    """For each split, the classes of which it has no video; only splits that lack some."""
    lacking = {}
    for split in videos.splits:
        present = {sample.label for sample in videos.samples if sample.split == split}
        names = tuple(name for label, name in enumerate(videos.classes) if label not in present)
        if names:
            lacking[split] = names
    return lacking


def _need(room: Mapping[int, float], labels: Counter[int], totals: Counter[int]) -> float:
    """How much a split lacks of these classes; a rare class weighs as much as a frequent one."""
    return sum(room[label] * count / totals[label] for label, count in labels.items())


def _groups(videos: VideoList, content: Mapping[Path, Content]) -> list[list[int]]:
    """Indices of samples that belong together: connected through groups or equal files."""
    parent = list(range(len(videos)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_with: dict[str, int] = {}
    for index, sample in enumerate(videos.samples):
        keys = [f"content {content[sample.path]}"]
        if sample.group is not None:
            keys.append(f"group {sample.group}")
        for key in keys:
            parent[find(index)] = find(first_with.setdefault(key, index))
    groups: dict[int, list[int]] = {}
    for index in range(len(videos)):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())
