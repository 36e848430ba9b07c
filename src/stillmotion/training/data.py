"""The videos of a run: read, split without leaks, and turned into loaders."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed
from torch.utils.data import DataLoader

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.contents import Content, told_apart
from stillmotion.data.few_shot import few_shots, some_classes
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore, Progress
from stillmotion.data.mirror import Mirror, find_mirror
from stillmotion.data.reading import read_videos
from stillmotion.data.rows import canonical_split
from stillmotion.data.splits import split_by_group
from stillmotion.data.verify import refuse_faults, refuse_overlap
from stillmotion.errors import DataError, unknown
from stillmotion.loading import MARGIN, clip_loader, refuse_mirrored, view_dataset, view_loader
from stillmotion.recipe import Recipe, Videos


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
        DataError: where nothing is left to train on, or a class has no training video.
    """
    options = recipe.videos
    videos = read_videos(
        recipe.data,
        root=options.root,
        classes=options.classes,
        columns=options.columns,
        exclude=options.exclude,
    )
    if options.ways:
        videos = some_classes(videos, options.ways, episode=options.episode)
    refuse_faults(videos.samples, videos.source, on_progress=on_progress)
    content = told_apart((sample.path for sample in videos.samples), on_progress=on_progress)
    named = {"test": canonical_split(options.test), "val": canonical_split(options.val)}
    for kind, name in named.items():
        if name != kind and name not in videos.splits:
            raise DataError(f"{recipe.data}: {unknown(f'{kind} split', name, videos.splits)}")
    parts = {kind: having(videos, split) for kind, split in named.items()}
    rest = tuple(s for s in videos.samples if s.split not in named.values())
    if not rest:
        raise DataError(f"{recipe.data}: no video is left to train on beside {videos.splits}")
    train, val = replace(videos, samples=rest), parts["val"]
    if options.shots:
        train = few_shots(train, options.shots, episode=options.episode)
    elif val is None and options.val_fraction > 0:
        refuse_single_videos(train)
        train, val = hold_out(train, options.val_fraction, recipe.seed, content)
    absent = set(range(len(videos.classes))) - {s.label for s in train.samples}
    if absent and not videos.parts:  # of all combinations most are never seen
        names = ", ".join(videos.classes[label] for label in sorted(absent)[:5])
        raise DataError(
            f"{recipe.data}: no training video for {len(absent)} classes ({names}). Each needs at "
            "least one, and one more where validation videos are held out: videos.val_fraction=0 "
            "holds out none"
        )
    splits = Splits(train, val, parts["test"])
    refuse_overlap(
        {name: part.samples for name, part in splits.parts.items()},
        videos.source,
        allowed=options.allow_overlap,
        content=content,
    )
    return splits


def refuse_single_videos(videos: VideoList) -> None:
    """A class with one video cannot be on both sides of a split."""
    count = Counter(sample.label for sample in videos.samples)
    single = [name for label, name in enumerate(videos.classes) if count[label] == 1]
    if single:
        raise DataError(
            f"{videos.source}: only one training video in {len(single)} classes "
            f"({', '.join(single[:5])}); to hold out videos for validation each needs two or more. "
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


@dataclass(frozen=True)
class Loaders:
    """Random training clips and validation views, as pixels or as features of their frames."""

    train: DataLoader
    val: DataLoader | None
    clip_shape: tuple[int, ...]
    """Of one clip: (T, 3, S, S), or (T, C) where it holds features."""
    failures: dict[int, str]
    """Training videos whose frames could not be kept, and why."""
    mirror: Mirror
    """What becomes of each class in a mirror."""
    feature_bytes: int = 0
    """What cached features take in memory."""


def make_loaders(
    recipe: Recipe, splits: Splits, *, image_size: int, on_progress: Progress | None = None
) -> Loaders:
    """Loaders for training and validation, over kept frames where the recipe asks for them."""
    options, sampling = recipe.videos, recipe.sampling
    mirror = find_mirror(splits.train.classes, recipe.augmentation.mirror)
    refuse_mirrored(recipe.views, mirror)
    # What the last evaluation would refuse is refused before training, not after it.
    view_dataset(
        splits.scored[0].samples, sampling=sampling, image_size=image_size, views=recipe.views
    )
    kept = keep(recipe, splits.train.samples, image_size, on_progress)
    common: dict[str, Any] = {
        "sampling": sampling,
        "image_size": image_size,
        "workers": options.workers,
        "cache": frame_cache(options),
    }
    train = clip_loader(
        splits.train.samples,
        augmentation=recipe.augmentation,
        batch_size=recipe.training.batch_size,
        seed=recipe.seed,
        keep=kept,
        mirror=mirror,
        draw=recipe.training.draw,
        **common,
    )
    val = None
    if splits.val is not None:
        samples = splits.val.samples
        val = view_loader(
            samples,
            views=replace(recipe.views, clips=1, crops=1),
            batch_size=recipe.training.batch_size,
            keep=keep(recipe, samples, image_size, on_progress),
            **common,
        )
    shape = (sampling.num_frames, 3, image_size, image_size)
    return Loaders(train, val, shape, {} if kept is None else dict(kept.failures), mirror)


def keep(
    recipe: Recipe, samples: tuple[Sample, ...], image_size: int, on_progress: Progress | None
) -> FrameStore | None:
    """The frames that the recipe wants kept in memory."""
    options = recipe.videos
    if options.keep_frames == 0:
        return None
    store = FrameStore(
        samples,
        num_frames=options.keep_frames,
        short_side=round(image_size * MARGIN),
        max_bytes=round(options.keep_gib * 2**30),
        workers=max(1, options.workers),
    )
    return store.fill(workers=max(1, options.workers), on_progress=on_progress)


def frame_cache(options: Videos) -> FrameCache | None:
    """The folder of decoded frames that the recipe wants."""
    if options.cache is None:
        return None
    return FrameCache(options.cache, max_bytes=round(options.cache_gib * 2**30))


def seed_epoch(recipe: Recipe, epoch: int, loader: DataLoader) -> None:
    """Let all that is random in an epoch follow from the run's seed and the epoch's number."""
    set_seed(recipe.seed + 1000 * (epoch + 1), device_specific=True)
    random_parts: tuple[Any, ...] = (loader.sampler, loader.dataset)
    for part in random_parts:
        part.set_epoch(epoch)


def clip_info(recipe: Recipe) -> dict[str, Any]:
    """What a checkpoint remembers of its clips."""
    return {"sampling": recipe.sampling.to_dict(), "views": asdict(recipe.views)}
