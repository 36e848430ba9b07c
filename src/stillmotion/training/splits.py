"""What a run trains on, what chooses its best epoch, and what it is scored on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stillmotion.data.annotations import VideoList
from stillmotion.data.contents import Content, told_apart
from stillmotion.data.few_shot import few_shots, of_classes, some_classes
from stillmotion.data.progress import Progress
from stillmotion.data.reading import read_videos
from stillmotion.data.rows import canonical_split
from stillmotion.data.splits import split_by_group
from stillmotion.data.verify import refuse_faults, refuse_overlap
from stillmotion.errors import DataError, some, unknown
from stillmotion.recipe import Recipe


@dataclass(frozen=True)
class Splits:
    """Training, validation and test videos; without a test split, validation is what is scored."""

    train: VideoList
    val: VideoList | None
    test: VideoList | None

    @property
    def parts(self) -> dict[str, VideoList]:
        """Those that there are, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    @property
    def together(self) -> VideoList:
        """All videos, each with the split in which it was used."""
        samples = [
            replace(sample, split=name)
            for name, part in self.parts.items()
            for sample in part.samples
        ]
        return replace(self.train, samples=tuple(samples))

    @property
    def fingerprint(self) -> str:
        """Of what is trained and validated on: another list is another run."""
        return f"{self.train.sha256} {self.val.sha256 if self.val else None}"

    @property
    def scored(self) -> tuple[VideoList, str]:
        """What the final evaluation is about, and its name."""
        if self.test is not None:
            return self.test, "test"
        return (self.val, "val") if self.val is not None else (self.train, "train")


def read_splits(recipe: Recipe, *, on_progress: Progress | None = None) -> Splits:
    """Read the recipe's videos and set validation and test videos apart.

    A list without a validation split gives up ``val_fraction`` of its training videos, by group.

    Raises:
        ProblemsError: where a video is in two splits, or the list has other faults.
        DataError: where a split is unknown, nothing is left to train on, or a class has no training
            video.
    """
    options = recipe.videos
    videos = read_videos(
        recipe.data,
        root=options.root,
        classes=options.classes,
        columns=options.columns,
        exclude=options.exclude,
    )
    kept = {"test": canonical_split(options.test), "val": canonical_split(options.val)}
    refuse_unknown_splits(videos, kept)
    if options.drop_empty:
        videos = of_classes(videos, {s.label for s in to_train_on(videos, kept).samples})
    if options.ways:
        videos = some_classes(videos, options.ways, episode=options.episode)
    refuse_faults(videos.samples, videos.source, on_progress=on_progress)
    content = told_apart((sample.path for sample in videos.samples), on_progress=on_progress)
    train, val, test = (
        to_train_on(videos, kept),
        having(videos, kept["val"]),
        having(videos, kept["test"]),
    )
    if options.shots:
        train = few_shots(train, options.shots, episode=options.episode)
    elif val is None and options.val_fraction > 0:
        refuse_single_videos(train)
        train, val = hold_out(train, options.val_fraction, recipe.seed, content)
    refuse_empty_classes(train)
    splits = Splits(train, val, test)
    refuse_overlap(
        {name: part.samples for name, part in splits.parts.items()},
        videos.source,
        allowed=options.allow_overlap,
        content=content,
    )
    return splits


def refuse_unknown_splits(videos: VideoList, kept: Mapping[str, str]) -> None:
    """A split that is neither kept away nor to be trained on is a slip; of folds all are known."""
    for kind, name in kept.items():
        if name != kind and name not in videos.splits:
            raise DataError(f"{videos.source}: {unknown(f'{kind} split', name, videos.splits)}")
    known = {"train", "val", "test", *kept.values()}
    others = sorted(set(videos.splits) - known) if known.intersection(videos.splits) else []
    if others and not set(kept.values()) - {"val", "test"}:
        raise DataError(
            f"{videos.source}: {unknown('split', others[0], known)}. Where it is a fold: "
            "videos.test names the one to test on"
        )


def to_train_on(videos: VideoList, kept: Mapping[str, str]) -> VideoList:
    """The videos of no split that is kept away."""
    rest = tuple(s for s in videos.samples if s.split not in kept.values())
    if not rest:
        told = " and ".join(videos.splits)
        raise DataError(f"{videos.source}: no video is left to train on beside those of {told}")
    return replace(videos, samples=rest)


def refuse_empty_classes(train: VideoList) -> None:
    """Every class needs a training video; but of all combinations of parts most are never seen."""
    present = {sample.label for sample in train.samples}
    absent = [name for label, name in enumerate(train.classes) if label not in present]
    if absent and not train.parts:
        raise DataError(
            f"{train.source}: no training video for {len(absent)} of {len(train.classes)} classes "
            f"({some(absent)}). Each needs one, and another where validation videos are held out "
            "(videos.val_fraction). Classes without a video can be left out: "
            "videos.drop_empty=true"
        )


def refuse_single_videos(videos: VideoList) -> None:
    """A class with one video cannot be on both sides of a split."""
    count = Counter(sample.label for sample in videos.samples)
    single = [name for label, name in enumerate(videos.classes) if count[label] == 1]
    if single and not videos.parts:
        raise DataError(
            f"{videos.source}: only one training video in {len(single)} classes "
            f"({some(single)}); to hold out videos for validation each needs two or more. "
            "Add videos, leave the class out (videos.exclude), or hold out none "
            "(videos.val_fraction=0)"
        )


def having(videos: VideoList, split: str) -> VideoList | None:
    """The videos of one split; None where there are none."""
    samples = tuple(s for s in videos.samples if s.split == split)
    return replace(videos, samples=samples) if samples else None


def hold_out(
    videos: VideoList, fraction: float, seed: int, content: Mapping[Path, Content]
) -> tuple[VideoList, VideoList | None]:
    """Set validation videos apart, group by group."""
    parted = split_by_group(
        videos, fractions={"train": 1 - fraction, "val": fraction}, seed=seed, content=content
    )
    return parted.only("train"), having(parted, "val")
