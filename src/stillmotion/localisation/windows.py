"""Stretches of a long video that overlap, and the clip that a model is shown of each."""

from collections.abc import Iterator, Sequence
from math import ceil

import torch
from jaxtyping import UInt8
from torch import Tensor

from stillmotion.data.region import crop_to, motion_box
from stillmotion.data.sampling import Sampling, view_indices
from stillmotion.data.video import Video
from stillmotion.errors import ClipError, ConfigurationError, VideoError
from stillmotion.fields import allows
from stillmotion.loading import view_dataset
from stillmotion.settings import Views

Span = tuple[float, float]
"""From when to when, in seconds from the first frame."""

MICROSECOND = 1e-6
"""Moments that are less than this apart are one: the rest is rounding."""


def windows(duration: float, *, window: float, stride: float) -> list[Span]:
    """Spans of ``window`` seconds, ``stride`` seconds apart, and one that ends with the video.

    A video that is shorter than a window is one span. A stride above the window leaves gaps at
    which nobody looks.

    Args:
        duration: of the video, in seconds, above 0.

    Raises:
        ConfigurationError: a window or a stride that is not above 0.

    >>> windows(3.5, window=2.0, stride=1.0)
    [(0.0, 2.0), (1.0, 3.0), (1.5, 3.5)]
    """
    for name, seconds in {"window": window, "stride": stride}.items():
        if not allows(float, seconds) or seconds <= 0:
            raise ConfigurationError(f"{name}={seconds!r}: give seconds, a number above 0")
    last = duration - window
    if last <= MICROSECOND:
        return [(0.0, duration)]
    starts = [place * stride for place in range(ceil((last - MICROSECOND) / stride))]
    return [*((start, start + window) for start in starts), (last, duration)]


def window_clips(
    video: Video,
    spans: Sequence[Span],
    *,
    sampling: Sampling,
    image_size: int,
    views: Views = Views(),  # noqa: B008 (frozen)
) -> Iterator[UInt8[Tensor, "T 3 image_size image_size"]]:
    """The clip of each span: what `Predictor` shows a model of that stretch of the file.

    Every frame is decoded once and held until the last span that needs it: the length of the video
    does not matter to the memory, where spans rise.

    Args:
        sampling: how a clip's frames are chosen within a span.
        image_size: sides of the clip, in pixels.
        views: how frames are resized and cropped; one clip and one crop are taken.

    Raises:
        ConfigurationError: the model looks at boxes of a subject.
        VideoError: a span without a frame, or one that is too short where ``sampling.short`` is
            "error", or, at its turn, a frame that cannot be decoded.
    """
    if sampling.region == "boxes":
        raise ConfigurationError(
            "this model was trained on boxes around a subject (sampling.region=boxes), and nobody "
            "says where it is in a whole video: train with region motion or frame"
        )
    pixels = view_dataset([], sampling=sampling, image_size=image_size, views=views.single())
    chosen = [frames_of(video, span, sampling=sampling, views=views) for span in spans]
    last_use = {index: place for place, indices in enumerate(chosen) for index in indices}
    frames = video.in_turn(last_use, short_side=pixels.short_side)
    held: dict[int, Tensor] = {}
    for place, indices in enumerate(chosen):
        while not held.keys() >= set(indices):
            held.update([next(frames)])
        clip = torch.stack([held[index] for index in indices])
        if sampling.region == "motion":
            clip = crop_to(clip, motion_box(clip))
        yield pixels.transform(clip)[0]
        for index in set(indices):
            if last_use[index] == place:
                del held[index]


def frames_of(video: Video, span: Span, *, sampling: Sampling, views: Views) -> list[int]:
    """The frames that make the clip of a span.

    Raises:
        VideoError: there are too few of them, and ``sampling.short`` is "error".
    """
    ticks = video.timeline.ticks(start=span[0], end=span[1])
    try:
        (places,) = view_indices(len(ticks), sampling=sampling, num_clips=1, spread=views.spread)
    except ClipError as error:
        raise VideoError(f"{video.path}: from {span[0]:g} to {span[1]:g} s: {error}") from error
    return [ticks[place] for place in places]
