"""A few videos of each class, or of some classes only: what is left when data is scarce."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from random import Random

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.errors import DataError, some


def of_classes(videos: VideoList, labels: Collection[int]) -> VideoList:
    """The videos of some classes, which keep their order.

    Raises:
        DataError: fewer than two.
    """
    kept = sorted(labels)
    if len(kept) < 2:
        raise DataError(f"{videos.source}: {len(kept)} classes are left, and it takes two")
    return videos.with_classes([videos.classes[label] for label in kept])


def some_classes(videos: VideoList, ways: int, *, episode: int) -> VideoList:
    """The videos of ``ways`` of the classes that have some, drawn by the episode's number.

    Raises:
        DataError: there are fewer classes, or fewer than two are asked for.
    """
    there = sorted({sample.label for sample in videos.samples})
    if not 2 <= ways <= len(there):
        raise DataError(f"{videos.source}: ways={ways} of {len(there)} classes with videos")
    return of_classes(videos, Random(f"ways {episode}").sample(there, ways))


def few_shots(videos: VideoList, shots: int, *, episode: int) -> VideoList:
    """``shots`` videos of each class, drawn by the episode's number.

    Each class draws for itself: its videos do not depend on which other classes there are. More
    shots of the same episode contain those of fewer.

    Raises:
        DataError: a class has fewer, or classes are combinations, most of which have none.
    """
    if videos.parts:
        raise DataError(f"{videos.source}: shots are of classes, and these combine several parts")
    of_class: dict[int, list[Sample]] = {label: [] for label in range(len(videos.classes))}
    for sample in videos.samples:
        of_class[sample.label].append(sample)
    scarce = [name for n, name in enumerate(videos.classes) if len(of_class[n]) < shots]
    if scarce:
        raise DataError(
            f"{videos.source}: {len(scarce)} classes have fewer than {shots} training videos "
            f"({some(scarce)}): lower videos.shots, or leave them out (videos.exclude)"
        )
    drawn = [
        sample
        for label, samples in of_class.items()
        for sample in _first(samples, shots, f"shots {episode} {videos.classes[label]}")
    ]
    return replace(videos, samples=tuple(drawn))


def _first(samples: Sequence[Sample], count: int, seed: str) -> list[Sample]:
    """The first of all samples in an order drawn from the seed."""
    order = list(samples)
    Random(seed).shuffle(order)
    return order[:count]
