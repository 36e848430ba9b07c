"""Which frames make a clip: arithmetic on integers, apart from decoding.

`length` is a number of ticks (see `Timeline.ticks`): for a video of constant rate, of frames.
Indices are int64, in [0, length). Randomness comes from the generator alone.

    uniform, 4 frames       |--x--|--x--|--x--|--x--|     one frame from each segment (TSN)
    frame_uniform           the same with MMAction2's segments, of (length - 1) / 4
    dense, 4 frames         ----x--x--x--x-----------     stride 3
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from stillmotion.errors import ClipError, ConfigurationError, unknown

Kind = Literal["uniform", "frame_uniform", "dense"]
Short = Literal["repeat", "loop", "error"]
Region = Literal["frame", "motion", "boxes"]
Spread = Literal["ends", "middles", "starts"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a clip is drawn from a video.

    Raises:
        ConfigurationError: an unknown kind, policy or region, or fewer than one frame or step.
    """

    num_frames: int = 8
    """T, frames in a clip."""
    kind: Kind = "uniform"
    """"uniform": one frame from each of T equal segments; "frame_uniform": the same as AIM,
    ST-Adapter and ZeroI2V on Something-Something. "dense": every `stride`-th frame."""
    stride: int = 4
    """Ticks from one frame of a dense clip to the next; unused when uniform."""
    strides: tuple[int, ...] = ()
    """Where given, each dense training clip has one of these, drawn; a test keeps to `stride`."""
    short: Short = "repeat"
    """What fills the clip of a video that is too short: "repeat" holds frames longer (uniform:
    each of them; dense: the last), "loop" plays the video again, "error" refuses it."""
    region: Region = "frame"
    """What of each frame is used, in training and in test: all of it; around what moves in the clip
    ("motion"); or the list's boxes of the subject. See `stillmotion.data.region`."""

    def __post_init__(self) -> None:
        choices = {
            "kind of sampling": (self.kind, Kind),
            "policy for short videos": (self.short, Short),
            "region": (self.region, Region),
        }
        for what, (given, possible) in choices.items():
            if given not in get_args(possible):
                raise ConfigurationError(unknown(what, given, get_args(possible)))
        if min(self.num_frames, self.stride, *self.strides) < 1:
            raise ConfigurationError(
                "a clip needs at least one frame and a stride of at least one, got "
                f"num_frames={self.num_frames}, stride={self.stride}, strides={self.strides}"
            )
        if self.strides and self.kind != "dense":
            raise ConfigurationError(
                f"sampling.strides belong to dense clips, and kind is {self.kind!r}"
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
    segment's first frame.

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


def clip_indices(length: int, *, sampling: Sampling, generator: Generator) -> Int[Tensor, " T"]:
    """One random clip, for training.

    Raises:
        ClipError: the video is too short and `sampling.short` is "error".
    """
    frames, short = sampling.num_frames, sampling.short
    match sampling.kind:
        case "uniform":
            return uniform_indices(length, num_frames=frames, short=short, generator=generator)
        case "frame_uniform":
            return frame_uniform_indices(
                length, num_frames=frames, short=short, generator=generator
            )[0]
    stride = sampling.stride
    if sampling.strides:
        drawn = torch.randint(len(sampling.strides), (), generator=generator)
        stride = sampling.strides[int(drawn)]
    return dense_indices(
        length, num_frames=frames, stride=stride, short=short, generator=generator
    )[0]


def view_indices(
    length: int, *, sampling: Sampling, num_clips: int, spread: Spread = "ends"
) -> Int[Tensor, "clips T"]:
    """The clips of a test: always the same ones.

    Dense clips are spread over the video. Uniform ones are shifted inside their segments: together
    they are the centres of `num_clips * num_frames` segments, dealt out in turn; or as
    `frame_uniform_indices` says.

    Raises:
        ClipError: the video is too short and `sampling.short` is "error".
    """
    frames, short = sampling.num_frames, sampling.short
    if sampling.kind == "dense":
        return dense_indices(
            length,
            num_frames=frames,
            stride=sampling.stride,
            short=short,
            num_clips=num_clips,
            spread=spread,
        )
    if sampling.kind == "frame_uniform":
        return frame_uniform_indices(length, num_frames=frames, short=short, num_clips=num_clips)
    if length < frames:
        clip = uniform_indices(length, num_frames=frames, short=short)
        return clip.expand(num_clips, -1)
    centres = uniform_indices(length, num_frames=num_clips * frames)
    return centres.view(frames, num_clips).T


def _check_length(length: int, *, needed: int, short: Short) -> None:
    if length < 1:
        raise ClipError("a clip cannot be drawn from a video without frames")
    if length < needed and short == "error":
        raise ClipError(
            f"the video has {length} frames and the clip spans {needed}; allow it with "
            'short="repeat" or short="loop"'
        )
