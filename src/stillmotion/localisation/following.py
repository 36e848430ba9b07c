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

from stillmotion.as_trained import sampling_of, usual_seconds_of, views_of
from stillmotion.data.parts import sizes_of
from stillmotion.data.video import Video, open_video
from stillmotion.errors import VideoError
from stillmotion.localisation.track import Track
from stillmotion.localisation.windows import Span, window_clips, windows
from stillmotion.metrics import in_parts, most_probable
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Predictor
from stillmotion.settings import MEMORY_GIB

if TYPE_CHECKING:
    from os import PathLike

AT_ONCE = 16
"""Clips that are read before the model is asked."""

ROUNDING = 0.02
"""Part of a frame's time by which a window may fall short of it: people write 0.033 for 1/30."""

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

    A window's probabilities are those that `Predictor` gives of that stretch of the file, as the
    model says them: `as_calibrated` scales them. Frames are decoded once, and only the list of them
    grows with the video's length.

    Args:
        window: seconds that the model sees at once; None: see `usual_window`.
        stride: seconds from one window to the next; None: half a window, or a frame where that is
            longer.
        device: where to compute; None: a GPU where there is one.
        memory_gib: bound on the tensors of the clips that are shown at once, in GiB.
        on_progress: told which part of the windows is done, in (0, 1].

    Raises:
        VideoError: the video cannot be read, with the reason; or one of its frames is shown for
            longer than a window or a stride.
        ConfigurationError: seconds that are not above 0, a device that is not there, or a model
            that looks at boxes of a subject.
    """
    views = views_of(model).single()
    asked = Predictor(model, views=views, device=device, memory_gib=memory_gib)
    with open_video(Path(path)) as video:
        window = usual_window(model, fps=video.fps) if window is None else window
        spans = spans_of(video, window=window, stride=stride)
        size, sampling = model.backbone.image_size[0], sampling_of(model)
        clips = window_clips(video, spans, sampling=sampling, image_size=size, views=views)
        said = torch.empty(len(spans), sum(asked.sizes) or len(model.class_names))
        for first in range(0, len(spans), AT_ONCE):
            some = list(islice(clips, AT_ONCE))
            said[first : first + len(some)] = asked.probabilities_each(torch.stack(some)[:, None])
            if on_progress:
                on_progress((first + len(some)) / len(spans))
        return track_of(model, spans, said, seconds=video.duration_seconds)


def spans_of(video: Video, *, window: float, stride: float | None) -> list[Span]:
    """The windows of a video: hardly more than it has frames.

    Raises:
        ConfigurationError: seconds that are not above 0.
        VideoError: fewer seconds than one frame is shown.
    """
    frame = video.duration_seconds / len(video)
    stride = max(window / 2, frame) if stride is None else stride
    for name, seconds in {"window": window, "stride": stride}.items():
        if 0 < seconds < frame * (1 - ROUNDING):
            raise VideoError(
                f"{video.path}: {name}={seconds:g} s is less than the {frame:.3g} s for which one "
                "of its frames is shown: give more"
            )
    return windows(video.duration_seconds, window=window, stride=stride)


def usual_window(model: VideoClassifier, *, fps: float) -> float:
    """The seconds of a video that a model sees at once if it is shown it as in training.

    Dense clips: from the first frame of a clip to the last. Uniform ones, which are spread over a
    video whatever its length: as long as the videos of the training usually were.
    """
    sampling = sampling_of(model)
    if sampling.kind == "dense":
        return sampling.num_frames * sampling.stride / fps
    return usual_seconds_of(model)[0]


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
