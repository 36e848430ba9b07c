"""Scoring a model on the views of labelled videos."""

from __future__ import annotations

from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from stillmotion.answering import ORDERS, answer
from stillmotion.as_trained import mirror_of, sampling_of, views_of
from stillmotion.data.annotations import VideoList
from stillmotion.data.parts import sizes_of
from stillmotion.dealing import deal
from stillmotion.errors import DataError
from stillmotion.evaluation.result import Evaluation
from stillmotion.evaluation.summary import summarise
from stillmotion.fewer_bits import in_fewer_bits
from stillmotion.loading import refuse_mirrored, view_loader
from stillmotion.model import VideoClassifier
from stillmotion.processes import join
from stillmotion.quantising import Agreement
from stillmotion.selection import different_classes
from stillmotion.settings import MEMORY_GIB, Precision, Views


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
            change little for 16 of these videos. int8 computes on the CPU, GPU or not.
        max_unreadable: refuse to score where more than this part of the videos cannot be read.

    Raises:
        DataError: other classes than the model's, or too many unreadable videos.
        ConfigurationError: views that these classes do not stand.
        QuantisingError: where fewer bits change too much.
    """
    views, accelerator = views or views_of(model), accelerator or join()
    batches = views_for(model, videos, views=views, workers=workers, batch_size=batch_size)
    model.to("cpu" if precision == "int8" else accelerator.device)
    answering: nn.Module = model
    agreement: Agreement | None = None
    if precision != "fp32":
        answering, agreement = in_fewer_bits(model, precision, videos.samples, views=views)
    answers = answer(
        answering,
        deal(batches, accelerator),
        orders=ORDERS if time_check else ORDERS[:1],
        average=views.average,
        sizes=sizes_of(model.parts),
        memory_gib=memory_gib,
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


def views_for(
    model: VideoClassifier,
    videos: VideoList,
    *,
    views: Views,
    workers: int = 2,
    batch_size: int = 8,
) -> DataLoader:
    """The views of labelled videos, in the size and sampling that a model takes.

    Raises:
        DataError: other classes than the model's.
        ConfigurationError: views that these classes do not stand.
    """
    refuse_mirrored(views, mirror_of(model))
    if tuple(videos.classes) != model.class_names:
        raise DataError(different_classes(model.class_names, videos.classes))
    return view_loader(
        videos.samples,
        sampling=sampling_of(model),
        image_size=model.backbone.image_size[0],
        views=views,
        workers=workers,
        batch_size=batch_size,
    )
