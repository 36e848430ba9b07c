"""Choosing on videos when a trained model says "none of these"."""

import logging
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator

from stillmotion.answering import Answers, answer
from stillmotion.as_trained import views_of
from stillmotion.data.annotations import VideoList
from stillmotion.data.parts import sizes_of
from stillmotion.dealing import deal
from stillmotion.errors import ConfigurationError, DataError
from stillmotion.evaluation import views_for
from stillmotion.loading import refuse_too_many
from stillmotion.model import VideoClassifier
from stillmotion.processes import join
from stillmotion.rejection import KEEP, Rejection, calibrate_rejection
from stillmotion.selection import read_known
from stillmotion.settings import Videos, Views

log = logging.getLogger("stillmotion")


def calibrate(
    model: VideoClassifier,
    known: VideoList,
    *,
    none: VideoList | None = None,
    keep: float = KEEP,
    views: Views | None = None,
    workers: int = 2,
    batch_size: int = 8,
    max_unreadable: float = 0.05,
    accelerator: Accelerator | None = None,
) -> Rejection:
    """Choose how sure a model must be of an answer; see `stillmotion.rejection`.

    Args:
        known: videos of the model's classes that it was not trained on.
        none: videos of none of its classes; their labels do not matter.
        keep: the share of right answers to keep, in (0, 1].

    Raises:
        DataError: other classes, too many unreadable videos, or no right answer.
    """
    views, accelerator = views or views_of(model), accelerator or join()
    sizes = sizes_of(model.parts)

    def said(videos: VideoList) -> Answers:
        batches = views_for(model, videos, views=views, workers=workers, batch_size=batch_size)
        answers = answer(
            model.to(accelerator.device),
            deal(batches, accelerator),
            average=views.average,
            sizes=sizes,
            accelerator=accelerator,
        )
        refuse_too_many(answers.failures, videos, max_unreadable)
        return answers

    answers = said(known)
    return calibrate_rejection(
        answers.probabilities["given"],
        answers.label,
        none=None if none is None else said(none).probabilities["given"],
        sizes=sizes,
        keep=keep,
        list_sha256=known.sha256,
    )


def known_and_none(
    data: str | Path,
    options: Videos,
    model: VideoClassifier,
    *,
    split: str | None = None,
    none_label: str | None = None,
) -> tuple[VideoList, VideoList | None]:
    """Videos of the model's classes, and those under ``none_label``.

    Args:
        split: by default "val", or all videos where the data names no splits.

    Raises:
        DataError: where the data cannot be read, has no such split, or no video of a kind.
    """
    count = len(model.class_names)
    if none_label in model.class_names:
        raise ConfigurationError(
            f"the model was trained to name {none_label!r}: leave it out of training "
            "(videos.exclude), so that it can be what the model does not know"
        )
    videos = read_known(data, options, model, besides=[none_label] if none_label else [])
    if split is None and videos.splits:
        if "val" not in videos.splits:
            raise DataError(
                f"{videos.source} has no validation videos, only {', '.join(videos.splits)}; name "
                "the split with --split. Test videos that choose a threshold test it no more"
            )
        split = "val"
    if split is None:
        log.warning("%s names no splits: ALL its videos choose, seen in training or not", data)
    chosen = videos.only(split) if split else videos
    known = [sample for sample in chosen.samples if sample.label < count]
    none = [replace(sample, label=0) for sample in chosen.samples if sample.label == count]
    if not known or (none_label and not none):
        missing = "the model's classes" if not known else f"the label {none_label!r}"
        raise DataError(f"{videos.source}: no video of {missing} in {split or 'it'}")
    ours = replace(chosen, samples=tuple(known), classes=model.class_names, parts=model.parts)
    return ours, replace(ours, samples=tuple(none)) if none_label else None
