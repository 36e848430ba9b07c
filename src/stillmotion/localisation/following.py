"""A model's probabilities over a video of any length."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from stillmotion.answering import average_of_views, logits_of_views
from stillmotion.data.parts import sizes_of
from stillmotion.data.video import Video, open_video
from stillmotion.loading import sampling_of, views_of
from stillmotion.localisation.track import Track
from stillmotion.localisation.windows import one_of, window_clips, windows
from stillmotion.metrics import in_parts, most_probable
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Predictor
from stillmotion.settings import MEMORY_GIB

if TYPE_CHECKING:
    from os import PathLike

USUAL_SECONDS = 4.0
"""Length of a training video where nothing tells it: the usual one of Something-Something (Goyal et
al., arXiv 1706.04261)."""

AT_ONCE = 16
"""Clips that are read before the model is asked."""

LEADING = 5
"""Where classes are combinations, those among so many best of some window are followed: there may
be thousands."""


def follow(
    model: VideoClassifier,
    path: str | PathLike[str],
    *,
    window: float | None = None,
    stride: float | None = None,
    device: str | torch.device | None = None,
    memory_gib: float = MEMORY_GIB,
    on_progress: Callable[[float], None] | None = None,
) -> Track:
    """What a model says of a video, window by window, of one clip and one crop each.

    A window's probabilities are those that `Predictor` gives of that stretch of the file. Frames
    are decoded once, and only the list of them grows with the video's length.

    Args:
        window: seconds that the model sees at once; None: see `usual_window`.
        stride: seconds from one window to the next; None: half a window.
        device: where to compute; None: a GPU where there is one.
        memory_gib: bound on the tensors of the clips that are shown at once, in GiB.
        on_progress: told which part of the windows is done, in (0, 1].

    Raises:
        VideoError: the video cannot be read, with the reason.
        ConfigurationError: seconds that are not above 0, a device that is not there, or a model
            that looks at boxes of a subject.
    """
    views = one_of(views_of(model))
    asked = Predictor(model, views=views, device=device, memory_gib=memory_gib)
    with open_video(Path(path)) as video:
        window = usual_window(model, video) if window is None else window
        spans = windows(
            video.duration_seconds, window=window, stride=window / 2 if stride is None else stride
        )
        size, sampling = model.backbone.image_size[0], sampling_of(model)
        clips = window_clips(video, spans, sampling=sampling, image_size=size, views=views)
        said: list[Tensor] = []
        while some := list(islice(clips, AT_ONCE)):
            said += each_alone(asked, some)
            if on_progress:
                on_progress(len(said) / len(spans))
        return track_of(model, spans, torch.stack(said), seconds=video.duration_seconds)


def usual_window(model: VideoClassifier, video: Video) -> float:
    """The seconds of this video that a model sees at once if it is shown it as in training.

    Dense clips: from the first frame of a clip to the last. Uniform ones, which are spread over a
    video whatever its length: as long as the videos of the training usually were.
    """
    sampling = sampling_of(model)
    if sampling.kind == "dense":
        return sampling.num_frames * sampling.stride / video.fps
    return float(model.info.get("usual_seconds") or USUAL_SECONDS)


def each_alone(asked: Predictor, clips: list[Tensor]) -> Float[Tensor, "S W"]:
    """Class probabilities of each clip; where classes are combinations, those of their parts."""
    views = torch.stack(clips)[:, None].to(asked.device)
    logits = logits_of_views(asked.chunked, views, asked.sizes)
    return average_of_views(logits, asked.views.average, asked.sizes)


def track_of(
    model: VideoClassifier,
    spans: list[tuple[float, float]],
    said: Float[Tensor, "S W"],
    *,
    seconds: float,
) -> Track:
    """What was said of each span; of combinations, only those that lead somewhere."""
    names, sizes = model.class_names, sizes_of(model.parts)
    if sizes:
        _, best = most_probable(said, sizes, first=LEADING)
        leading = best.unique()
        names = tuple(names[index] for index in leading.tolist())
        said = combined(said, leading, sizes)
    starts, stops = np.array(spans, dtype=np.float64).T
    return Track(names, starts, stops, said.float().numpy(), seconds)


def combined(
    said: Float[Tensor, "S W"], classes: Int[Tensor, " K"], sizes: tuple[int, ...]
) -> Float[Tensor, "S K"]:
    """Probabilities of some combinations: the products of their parts'."""
    digits = torch.unravel_index(classes, sizes)
    columns = [part[:, digit] for part, digit in zip(in_parts(said, sizes), digits, strict=True)]
    return torch.stack(columns).prod(dim=0)
