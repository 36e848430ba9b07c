"""Which videos a trained model is scored on, and which it must not be."""

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from stillmotion.checkpoint import find
from stillmotion.data.annotations import VideoList
from stillmotion.data.reading import read_videos
from stillmotion.data.verify import refuse_faults, refuse_overlap
from stillmotion.errors import DataError, some
from stillmotion.model import VideoClassifier
from stillmotion.settings import Videos

log = logging.getLogger("stillmotion")

SPLIT = "split.jsonl"
"""Where a run says which video it used for what."""


def choose_split(
    data: str | Path, options: Videos, model: VideoClassifier, split: str | None
) -> tuple[VideoList, str]:
    """The videos to score, and what they are: a split by name, else test, else val, else all.

    Raises:
        DataError: where the data cannot be read, has other classes, or has no such split.
    """
    videos = read_known(data, options, model)
    if split is None:
        split = next((name for name in ("test", "val") if name in videos.splits), None)
    if split is None:
        log.warning("%s names no splits: all its videos are scored", data)
        refuse_faults(videos.samples, videos.source)
        return videos, "all"
    if split == "train":
        log.warning("these are training videos: the score says nothing about new ones")
    if split == "val":
        log.warning("these videos chose the best epoch: the score may be a little too good")
    scored = videos.only(split)
    refuse_faults(scored.samples, videos.source)
    if split != "train":
        scored_split = scored.samples[0].split
        others = [sample for sample in videos.samples if sample.split != scored_split]
        splits = {"another split": others, split: scored.samples}
        refuse_overlap(splits, videos.source, allowed=options.allow_overlap)
    return scored, split


def read_known(
    data: str | Path, options: Videos, model: VideoClassifier, *, besides: Sequence[str] = ()
) -> VideoList:
    """Videos labelled with the model's classes, and after them those that it has ``besides``.

    Labels are names or indices into these classes, unless the options name the list's own. Of data
    of which a model was trained on some classes (`Videos.ways`, `Videos.drop_empty`) the others'
    videos are left out.

    Raises:
        DataError: where the data cannot be read, or has other classes.
    """
    classes = (*model.class_names, *besides)
    drawn = bool(model.info.get("some_classes"))
    videos = read_videos(
        data,
        root=options.root,
        classes=options.classes or (None if drawn else classes),
        columns=options.columns,
        exclude=options.exclude,
        parts=model.parts,
    )
    if drawn:
        videos = only_classes(videos, classes)
    if videos.classes != classes:
        raise DataError(different_classes(classes, videos.classes))
    return videos


def only_classes(videos: VideoList, classes: tuple[str, ...]) -> VideoList:
    """The videos of these classes, with their place here as label; how many are left out is told.

    Raises:
        DataError: there are none.
    """
    kept = videos.with_classes(classes)
    if not len(kept):
        raise DataError(f"{videos.source}: no video shows one of {some(classes)}")
    if others := len(videos) - len(kept):
        log.warning(
            "%s: %d of %d videos are left out: they show none of the %d classes that the model was "
            "trained on",
            videos.source, others, len(videos), len(classes),
        )  # fmt: skip
    return kept


def refuse_trained_on(run: str | PathLike[str], videos: VideoList, *, allowed: bool) -> None:
    """What a run was trained on is no test of it, as far as the run says what that was.

    Raises:
        ProblemsError: videos, or copies of them, are among the run's training videos, and this is
            not allowed.
    """
    checkpoint = find(run)
    listing = next(
        (f / SPLIT for f in (checkpoint, checkpoint.parent) if (f / SPLIT).is_file()), None
    )
    if listing is None:
        return
    try:
        trained = read_videos(listing).only("train")
    except DataError as error:
        log.warning("whether these videos were trained on cannot be told: %s", error)
        return
    splits = {"the training of this model": trained.samples, "what is scored": videos.samples}
    refuse_overlap(splits, videos.source, allowed=allowed)


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
