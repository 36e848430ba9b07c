"""Which frames make a clip: arithmetic on integers, apart from decoding.

`length` is a number of ticks (see `Timeline.ticks`): for a video of constant rate, of frames.
Indices are int64, in [0, length). Randomness comes from the generator alone.

    uniform, 4 frames       |--x--|--x--|--x--|--x--|     one frame from each segment (TSN)
    frame_uniform           the same with MMAction2's segments, of (length - 1) / 4
    dense, 4 frames         ----x--x--x--x-----------     stride 3
"""

from typing import Literal

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from stillmotion.errors import ClipError

Short = Literal["repeat", "loop", "error"]
Spread = Literal["ends", "middles", "starts"]


def uniform_indices(
    length: int, *, num_frames: int, short: Short = "repeat", generator: Generator | None = None
) -> Int[Tensor, " T"]:
    """One frame from each of `num_frames` equal segments, in rising order.

    Args:
        generator: draws a frame inside each segment; None takes each segment's centre. Centres are
            symmetric under time reversal: those of the reversed video are `length - 1 - index`,
            reversed. (The middle of an even length is no frame: there an odd `num_frames` takes the
            later of its two neighbours.)

    Raises:
        ClipError: no frames, or fewer than `num_frames` where `short` is "error".
    """
    _check_length(length, needed=num_frames, short=short)
    if length < num_frames and short == "loop":
        return torch.arange(num_frames) % length
    if generator is None:
        first_half = [
            (2 * segment + 1) * length // (2 * num_frames) for segment in range(num_frames)
        ][: (num_frames + 1) // 2]
        second_half = [length - 1 - index for index in first_half[: num_frames // 2]]
        return torch.tensor(first_half + second_half[::-1])
    bounds = torch.arange(num_frames + 1) * length // num_frames
    first, size = bounds[:-1], bounds.diff().clamp(min=1)
    # An integer draw, not a float times a size: that could round up to the next segment.
    draws = torch.randint(2**62, (num_frames,), generator=generator)
    return first + draws % size


def frame_uniform_indices(
    length: int,
    *,
    num_frames: int,
    short: Short = "repeat",
    generator: Generator | None = None,
    num_clips: int = 1,
) -> Int[Tensor, "clips T"]:
    """One frame from each of `num_frames` segments of (length - 1) / num_frames.

    As MMAction2's `SampleFrames(frame_uniform=True)`: segment i reaches from round(i s) to
    round((i + 1) s), both included, so that neighbours may draw the same frame. Several clips of a
    test are those of its `UniformSample`: clip k of n lies int((k + 1) s / (n + 1)) after each
    segment's first frame. (That is a frame less, sometimes, than the middle for a single one.)

    Args:
        generator: draws a frame inside each segment, for one clip; None takes the middles.

    Raises:
        ClipError: no frames, or fewer than `num_frames` where `short` is "error".
    """
    _check_length(length, needed=num_frames, short=short)
    if length < num_frames and short == "loop":
        return (torch.arange(num_frames) % length).expand(num_clips, -1)
    size = (length - 1) / num_frames
    bounds = torch.tensor([round(segment * size) for segment in range(num_frames + 1)])
    first, last = bounds[:-1], bounds[1:]
    if generator is not None:
        draws = torch.randint(2**62, (num_clips, num_frames), generator=generator)
        return first + draws % (last - first + 1)
    if num_clips == 1:
        return ((first + last) // 2)[None]
    shifts = torch.tensor([int((clip + 1) * (size / (num_clips + 1))) for clip in range(num_clips)])
    return first + shifts[:, None]


def dense_indices(
    length: int,
    *,
    num_frames: int,
    stride: int,
    short: Short = "repeat",
    generator: Generator | None = None,
    num_clips: int = 1,
    spread: Spread = "ends",
) -> Int[Tensor, "clips T"]:
    """Clips of every `stride`-th frame.

    Args:
        generator: draws each clip's start; None spreads the clips.
        spread: where they begin without a generator; see `clip_starts`.

    Raises:
        ClipError: no frames, or fewer than a clip spans where `short` is "error".
    """
    span = (num_frames - 1) * stride + 1
    _check_length(length, needed=span, short=short)
    if generator is not None:
        starts = torch.randint(max(0, length - span) + 1, (num_clips,), generator=generator)
    else:
        starts = clip_starts(
            length, num_frames=num_frames, stride=stride, num_clips=num_clips, spread=spread
        )
    indices = starts[:, None] + torch.arange(num_frames) * stride
    return indices % length if short == "loop" else indices.clamp(max=length - 1)


def clip_starts(
    length: int, *, num_frames: int, stride: int, num_clips: int, spread: Spread
) -> Int[Tensor, " clips"]:
    """Where the dense clips of a test begin: 0 for all of a video that is too short.

    Three clips begin at these parts of the frames to spare:

    - "ends": 0, 1/2, 1 (SlowFast, ST-Adapter, AdaptFormer); a single one begins at 1/2.
    - "middles": 1/6, 3/6, 5/6, the middles of equal parts (MMAction2 at the time of AIM and
      ZeroI2V, which counts a clip as T x stride frames and so leaves stride - 1 fewer to spare).
    - "starts": 0, 1/3, 2/3 (DualPath); a single one begins at 0.
    """
    place = torch.arange(num_clips)
    room = max(0, length - (num_frames - 1) * stride - 1)
    if spread == "middles":
        choices = max(0, length - num_frames * stride + 1)
        return (2 * place + 1) * choices // (2 * num_clips)
    if spread == "starts":
        return place * room // num_clips
    return place * room // (num_clips - 1) if num_clips > 1 else torch.tensor([room // 2])


def _check_length(length: int, *, needed: int, short: Short) -> None:
    if length < 1:
        raise ClipError("a clip cannot be drawn from a video without frames")
    if length < needed and short == "error":
        raise ClipError(
            f"the video has {length} frames and the clip spans {needed}; allow it with "
            'short="repeat" or short="loop"'
        )
