"""From answers to scores, with what they are scores of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stillmotion.answering import Answers, Order
from stillmotion.data.annotations import VideoList
from stillmotion.data.parts import sizes_of
from stillmotion.data.video import available_decoders
from stillmotion.evaluation.breakdown import breakdown
from stillmotion.evaluation.result import Evaluation
from stillmotion.identity import model_sha256
from stillmotion.loading import refuse_too_many
from stillmotion.metrics import measure_calibration, most_probable, score
from stillmotion.metrics.significance import mean_class_interval
from stillmotion.model import VideoClassifier
from stillmotion.quantising import Agreement
from stillmotion.rejection import acceptance, rejection_of
from stillmotion.saved_scores import SavedScores
from stillmotion.settings import Views


def summarise(
    model: VideoClassifier,
    videos: VideoList,
    answers: Answers,
    *,
    split: str,
    views: Views,
    agreement: Agreement | None = None,
    max_unreadable: float = 0.05,
) -> Evaluation:
    """The evaluation of what a model said.

    Args:
        agreement: how it answers beside itself in full, where it was asked in fewer bits.

    Raises:
        DataError: too many videos could not be read.
    """
    unreadable = refuse_too_many(answers.failures, videos, max_unreadable)
    label, given = answers.label, answers.probabilities["given"]
    sizes = sizes_of(model.parts)
    said = most_probable(given, sizes, first=1)[1][:, 0]
    described = describe(model, videos, split=split, views=views)
    return Evaluation(
        scores=score(given, label, sizes),
        calibration=measure_calibration(given, label, sizes),
        mean_class_interval=mean_class_interval((said == label).numpy(), label.numpy()),
        top1_shuffled=top1_of(answers, "shuffled", sizes),
        top1_reversed=top1_of(answers, "reversed", sizes),
        breakdown=breakdown(
            [videos.samples[i] for i in answers.index], label, said, num_classes=len(videos.classes)
        ),
        acceptance=accepted(model, videos, answers),
        dataset=videos.dataset,
        metric=videos.metric,
        class_names=model.class_names,
        model_sha256=model_sha256(model),
        unreadable=unreadable,
        fewer_bits=agreement,
        predictions=predictions(videos, answers, sizes),
        saved=saved_scores(model, videos, answers, views=views, told=described),
        **described,
    )


def describe(
    model: VideoClassifier, videos: VideoList, *, split: str, views: Views
) -> dict[str, Any]:
    """What scores must share to be compared; plain values."""
    return {
        "split": split,
        "views": {"frames": model.num_frames} | asdict(views),
        "list_sha256": videos.sha256,
        "backbone": model.backbone.name,
        "backbone_sha256": model.backbone.sha256,
        "decoder": f"pyav {available_decoders()['pyav']}",
    }


def top1_of(answers: Answers, order: Order, sizes: Sequence[int]) -> float | None:
    """How often the answer to an order of frames is right; None where it was not asked for."""
    if (found := answers.probabilities.get(order)) is None:
        return None
    said = most_probable(found, sizes, first=1)[1][:, 0]
    return float((said == answers.label).double().mean())


def accepted(model: VideoClassifier, videos: VideoList, answers: Answers) -> dict[str, Any] | None:
    """What the model's `none of these` threshold does to these videos; None where it has none."""
    rejection = rejection_of(model.info)
    if rejection is None:
        return None
    given, sizes = answers.probabilities["given"], sizes_of(model.parts)
    told = acceptance(rejection, given, answers.label, sizes)
    return told | {"same_videos": rejection.list_sha256 == videos.sha256}


def predictions(videos: VideoList, answers: Answers, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """One row a video: its path, the truth, and what was answered to each order of frames.

    A part of a video also has its start and end.
    """
    names = videos.classes
    best = {o: most_probable(p, sizes, first=1) for o, p in answers.probabilities.items()}
    confidence, _ = best["given"]
    rows = []
    for i, index in enumerate(answers.index):
        sample = videos.samples[index]
        row = {
            "path": videos.relative_paths[index],
            **sample.times,
            "label": names[int(answers.label[i])],
            "predicted": names[int(best["given"][1][i, 0])],
            "confidence": round(float(confidence[i, 0]), 4),
        }
        for order in (order for order in best if order != "given"):
            row[f"predicted_{order}"] = names[int(best[order][1][i, 0])]
        rows.append(row)
    return rows


def saved_scores(
    model: VideoClassifier,
    videos: VideoList,
    answers: Answers,
    *,
    views: Views,
    told: dict[str, Any],
) -> SavedScores:
    """Every video's scores, to compare and to join models without asking again."""
    samples = [videos.samples[index] for index in answers.index]
    paths = [videos.relative_paths[index] for index in answers.index]
    return SavedScores(
        videos=tuple((p, s.start, s.end) for p, s in zip(paths, samples, strict=True)),
        labels=answers.label,
        probabilities=answers.mean_probabilities,
        logits=answers.mean_logits,
        average=views.average,
        classes=() if model.parts else model.class_names,
        parts=model.parts,
        metric=videos.metric,
        told=told | {"dataset": videos.dataset},
    )
