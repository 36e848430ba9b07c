"""Showing a model the views of labelled videos."""

from __future__ import annotations

from accelerate import Accelerator
from torch import nn

from stillmotion.answering import Answers, Order, answer
from stillmotion.chunking import MEMORY_GIB
from stillmotion.data.annotations import VideoList
from stillmotion.data.parts import sizes_of
from stillmotion.errors import DataError
from stillmotion.evaluation.result import Evaluation
from stillmotion.evaluation.summary import summarise
from stillmotion.loading import (
    mirror_of,
    refuse_mirrored,
    sampling_of,
    view_dataset,
    view_loader,
    views_of,
)
from stillmotion.model import VideoClassifier
from stillmotion.quantising import Agreement, Precision, first_clips, quantise
from stillmotion.selection import different_classes
from stillmotion.settings import Views


def evaluate(
    model: VideoClassifier,
    videos: VideoList,
    *,
    split: str = "test",
    views: Views | None = None,
    time_check: bool = True,
    workers: int = 2,
    batch_size: int = 8,
    memory_gib: float = MEMORY_GIB,
    precision: Precision = "fp32",
    max_unreadable: float = 0.05,
    accelerator: Accelerator | None = None,
) -> Evaluation:
    """Score a model on labelled videos.

    Args:
        split: what these videos are, for the record.
        views: clips and crops of each video that are averaged, and how; None: as in training.
        time_check: also score the same clips with frames shuffled and reversed. A model whose score
            stays does not use time.
        batch_size: clips that are read at once; all views of one video at the least.
        memory_gib: bound on the tensors of the clips that the model is shown at once, in GiB.
        precision: in which the model computes; fewer bits than it has are accepted where they
            change little for the first of these videos.
        max_unreadable: refuse to score where more than this part of the videos cannot be read.

    Raises:
        DataError: other classes than the model's, or too many unreadable videos.
        QuantisingError: where fewer bits change too much.
    """
    views, asked, agreement = views or views_of(model), None, None
    accelerator = accelerator or Accelerator()
    if precision != "fp32":
        asked, agreement = in_fewer_bits(model.to(accelerator.device), precision, videos, views)
    answers = ask(
        model,
        videos,
        views=views,
        time_check=time_check,
        workers=workers,
        batch_size=batch_size,
        memory_gib=memory_gib,
        asked=asked,
        accelerator=accelerator,
    )
    return summarise(
        model,
        videos,
        answers,
        split=split,
        views=views,
        agreement=agreement,
        max_unreadable=max_unreadable,
    )


def in_fewer_bits(
    model: VideoClassifier, precision: Precision, videos: VideoList, views: Views
) -> tuple[nn.Module, Agreement]:
    """The model in fewer bits, checked on the first videos that can be read."""
    dataset = view_dataset(
        videos.samples,
        sampling=sampling_of(model),
        image_size=model.backbone.image_size[0],
        views=views,
    )
    items = (dataset[index] for index in range(len(dataset)))
    clips = first_clips(item["clip"] for item in items if "clip" in item)
    return quantise(model, precision, clips.to(model.mean.device))


def ask(
    model: VideoClassifier,
    videos: VideoList,
    *,
    views: Views,
    time_check: bool,
    workers: int = 2,
    batch_size: int = 8,
    memory_gib: float = MEMORY_GIB,
    asked: nn.Module | None = None,
    accelerator: Accelerator | None = None,
) -> Answers:
    """What a model says of labelled videos; see `evaluate`.

    Args:
        asked: what answers in the model's place, such as the same in fewer bits.

    Raises:
        DataError: other classes than the model's.
        ConfigurationError: views that these classes do not stand.
    """
    refuse_mirrored(views, mirror_of(model))
    accelerator = accelerator or Accelerator()
    if tuple(videos.classes) != model.class_names:
        raise DataError(different_classes(model.class_names, videos.classes))
    loader = view_loader(
        videos.samples,
        sampling=sampling_of(model),
        image_size=model.backbone.image_size[0],
        views=views,
        workers=workers,
        batch_size=batch_size,
    )
    orders: tuple[Order, ...] = ("given", "shuffled", "reversed") if time_check else ("given",)
    return answer(
        asked or model.to(accelerator.device),
        accelerator.prepare(loader),
        orders=orders,
        average=views.average,
        sizes=sizes_of(model.parts),
        memory_gib=memory_gib,
        accelerator=accelerator,
    )
