"""How clips are drawn from a video: at random for training, fixed ones for a test."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from stillmotion.data.indices import (
    Short,
    Spread,
    dense_indices,
    frame_uniform_indices,
    uniform_indices,
)
from stillmotion.errors import ConfigurationError, unknown
from stillmotion.fields import check_types

Kind = Literal["uniform", "frame_uniform", "dense"]
Region = Literal["frame", "motion", "boxes"]


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
                raise ConfigurationError(unknown(what, str(given), get_args(possible)))
        check_types(self, "sampling")
        if min(self.num_frames, self.stride, *self.strides) < 1:
            raise ConfigurationError(
                "a clip needs at least one frame and a stride of at least one, got "
                f"num_frames={self.num_frames}, stride={self.stride}, strides={self.strides}"
            )
        if self.strides and self.kind != "dense":
            raise ConfigurationError(
                f"sampling.strides belong to dense clips, and kind is {self.kind!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self) | {"strides": list(self.strides)}


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
