"""The videos of a run, turned into loaders."""

from dataclasses import asdict, dataclass
from typing import Any

from accelerate.utils import set_seed
from torch.utils.data import DataLoader

from stillmotion.data.annotations import Sample, VideoList
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.lengths import usual_seconds
from stillmotion.data.mirror import Mirror, find_mirror
from stillmotion.data.progress import Progress
from stillmotion.loading import MARGIN, clip_loader, refuse_mirrored, view_dataset, view_loader
from stillmotion.recipe import Recipe
from stillmotion.settings import Videos
from stillmotion.training.splits import Splits


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
            views=recipe.views.single(),
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


def clip_info(recipe: Recipe, videos: VideoList) -> dict[str, Any]:
    """What a checkpoint remembers of its clips, and of what they show."""
    return {
        "sampling": recipe.sampling.to_dict(),
        "usual_seconds": usual_seconds(videos.samples),
        "views": asdict(recipe.views),
        "mirror": find_mirror(videos.classes, recipe.augmentation.mirror).to_dict(),
        "some_classes": bool(recipe.videos.ways or recipe.videos.drop_empty),
    }
