"""Which frames make a clip: arithmetic on integers, apart from decoding.

`length` is a number of ticks (see `Timeline.ticks`): for a video of constant rate, of frames.
Indices are int64, in [0, length). Randomness comes from the generator alone.

    uniform, 4 frames       |--x--|--x--|--x--|--x--|     one frame from each segment (TSN)
    dense, 4 frames         ----x--x--x--x-----------     stride 3
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from stillmotion.errors import ClipError, ConfigurationError, unknown

Kind = Literal["uniform", "dense"]
Short = Literal["repeat", "loop", "error"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a clip is drawn from a video.

    Raises:
        ConfigurationError: an unknown kind or policy, or fewer than one frame or step.
    """

    num_frames: int = 8
    """T, frames in a clip."""
    kind: Kind = "uniform"
    """"uniform": one frame from each of T equal segments. "dense": every `stride`-th frame."""
    stride: int = 4
    """Ticks from one frame of a dense clip to the next; unused when uniform."""
    short: Short = "repeat"
    """What fills the clip of a video that is too short: "repeat" holds frames longer (uniform:
    each of them; dense: the last), "loop" plays the video again, "error" refuses it."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigurationError(unknown("kind of sampling", self.kind, get_args(Kind)))
        if self.short not in get_args(Short):
            raise ConfigurationError(
                unknown("policy for short videos", self.short, get_args(Short))
            )
        if self.num_frames < 1 or self.stride < 1:
            raise ConfigurationError(
                "a clip needs at least one frame and a stride of at least one, got "
                f"num_frames={self.num_frames}, stride={self.stride}"
            )


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


def dense_indices(
    length: int,
    *,
    num_frames: int,
    stride: int,
    short: Short = "repeat",
    generator: Generator | None = None,
    num_clips: int = 1,
) -> Int[Tensor, "clips T"]:
    """Clips of every `stride`-th frame.

    Args:
        generator: draws each clip's start; None spreads the clips evenly from the video's start to
            its end, and puts a single one in the middle.

    Raises:
        ClipError: no frames, or fewer than a clip spans where `short` is "error".
    """
    span = (num_frames - 1) * stride + 1
    _check_length(length, needed=span, short=short)
    room = max(0, length - span)
    if generator is not None:
        starts = torch.randint(room + 1, (num_clips,), generator=generator)
    elif num_clips == 1:
        starts = torch.tensor([room // 2])
    else:
        starts = torch.arange(num_clips) * room // (num_clips - 1)
    indices = starts[:, None] + torch.arange(num_frames) * stride
    return indices % length if short == "loop" else indices.clamp(max=length - 1)


def clip_indices(length: int, *, sampling: Sampling, generator: Generator) -> Int[Tensor, " T"]:
    """One random clip, for training.

    Raises:
        ClipError: the video is too short and `sampling.short` is "error".
    """
    if sampling.kind == "uniform":
        return uniform_indices(
            length, num_frames=sampling.num_frames, short=sampling.short, generator=generator
        )
    return dense_indices(
        length,
        num_frames=sampling.num_frames,
        stride=sampling.stride,
        short=sampling.short,
        generator=generator,
    )[0]


def view_indices(length: int, *, sampling: Sampling, num_clips: int) -> Int[Tensor, "clips T"]:
    """The clips of a test: always the same ones.

    Dense clips are spread evenly over the video. Uniform ones are shifted inside their segments:
    together they are the centres of `num_clips * num_frames` segments, dealt out in turn.

    Raises:
        ClipError: the video is too short and `sampling.short` is "error".
    """
    if sampling.kind == "dense":
        return dense_indices(
            length,
            num_frames=sampling.num_frames,
            stride=sampling.stride,
            short=sampling.short,
            num_clips=num_clips,
        )
    if length < sampling.num_frames:
        clip = uniform_indices(length, num_frames=sampling.num_frames, short=sampling.short)
        return clip.expand(num_clips, -1)
    centres = uniform_indices(length, num_frames=num_clips * sampling.num_frames)
    return centres.view(sampling.num_frames, num_clips).T


def _check_length(length: int, *, needed: int, short: Short) -> None:
    if length < 1:
        raise ClipError("a clip cannot be drawn from a video without frames")
    if length < needed and short == "error":
        raise ClipError(
            f"the video has {length} frames and the clip spans {needed}; allow it with "
            'short="repeat" or short="loop"'
        )
