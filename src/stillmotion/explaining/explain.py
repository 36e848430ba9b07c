"""An answer with all that can be found of what it rests on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.as_trained import sampling_of, views_of
from stillmotion.data.sampling import view_indices
from stillmotion.data.video import open_video
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.explaining.flow import numbered_blocks, shown_flow
from stillmotion.explaining.frames import answers_so_far, frame_importance
from stillmotion.explaining.rollout import attention_rollout
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Predictor
from stillmotion.settings import MEMORY_GIB
from stillmotion.visualise.explanation import Explanation

if TYPE_CHECKING:
    from os import PathLike

Signal = Literal["flow", "rollout", "occlusion", "time"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""All that can be asked for, in the order in which it is shown."""

CROPS = {"frame": "centre crop", "motion": "centre crop of what moves", "boxes": "its box"}
"""What a model sees of the frames, by the region that it was trained on."""

SHOWN = 5
"""The most probable classes that are followed over time."""


def explain(
    model: VideoClassifier,
    path: "str | PathLike[str]",
    *,
    what: Sequence[str] = (),
    blocks: Sequence[int] = (),
    device: str | torch.device | None = None,
    memory_gib: float = MEMORY_GIB,
) -> Explanation:
    """Ask a model about one clip of a video, one crop, and find what the answer rests on.

    Args:
        what: some of ``flow`` (of all blocks, if no adapter reads any), ``rollout``, ``occlusion``
            and ``time``; none: all that the method has. Why one cannot be had is in ``missing``.
        blocks: whose flow, from 0 or, negative, from the end; none: those that an adapter reads.
        device: where to compute; None: a GPU where there is one.
        memory_gib: bound on the tensors of the clips that are shown at once, in GiB.

    Raises:
        VideoError: the video cannot be read.
        ConfigurationError: an unknown signal or block, or none of the signals can be had.
    """
    for name in what:
        if name not in SIGNALS:
            raise ConfigurationError(unknown("signal", name, SIGNALS))
    chosen = numbered_blocks(blocks, len(model.trunk.blocks))
    views = views_of(model).single()
    predictor = Predictor(model, views=views, device=device, memory_gib=memory_gib)
    prediction = predictor(path)
    clip = predictor.read(Path(path))[0].to(predictor.device)
    labels = [model.class_names.index(name) for name in prediction.labels[:SHOWN]]
    finders: dict[str, Callable[[], dict[str, Any]]] = {
        "flow": lambda: {"flow": shown_flow(model, clip, chosen, asked="flow" in what)},
        "rollout": lambda: rollout_of(model, clip),
        "occlusion": lambda: {
            "importance": frame_importance(predictor.chunked, clip, label=labels[0]).numpy()
        },
        "time": lambda: {"so_far": answers_so_far(predictor.chunked, clip)[:, labels].numpy()},
    }
    found, missing = findings({name: finders[name] for name in what or SIGNALS})
    return Explanation(
        path=str(path),
        answer=prediction.answer,
        label=prediction.label,
        crop=CROPS[sampling_of(model).region],
        model=f"{model.method.name} on {model.backbone.title}",
        clip=clip.cpu().numpy(),
        seconds=moments(model, Path(path)),
        labels=prediction.labels[:SHOWN],
        probabilities=prediction.probabilities[:SHOWN],
        missing=missing,
        **found,
    )


def findings(
    finders: dict[str, Callable[[], dict[str, Any]]],
) -> tuple[dict[str, Any], dict[str, str]]:
    """What was found, and by its name why a signal was not.

    Raises:
        ConfigurationError: nothing was found.
    """
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, find in finders.items():
        try:
            found |= find()
        except ConfigurationError as error:
            missing[name] = str(error)
    if not found:
        raise ConfigurationError(f"nothing to show: {'; '.join(missing.values())}")
    return found, missing


def moments(model: VideoClassifier, path: Path) -> Float[np.ndarray, " T"]:
    """When the frames of that clip are shown, in seconds from the first frame of the video."""
    spread = views_of(model).spread
    with open_video(path) as video:
        ticks = torch.tensor(video.timeline.ticks())
        sampled = view_indices(len(ticks), sampling=sampling_of(model), num_clips=1, spread=spread)
        return np.array(video.timeline.starts)[ticks[sampled[0]].numpy()]


def rollout_of(model: VideoClassifier, clip: Tensor) -> dict[str, Any]:
    """The rollout as fields of an explanation."""
    rollout = attention_rollout(model, clip)
    return {"rollout": rollout.maps, "rollout_reader": rollout.reader}
