"""Decoded pictures to RGB."""

import av
import torch
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from torch import Tensor

from stillmotion.data.container import describe


class ColourError(ValueError):
    """Why a picture cannot be shown; `container.explained` says of which file."""


def in_rgb(
    frame: av.VideoFrame,
    *,
    height: int,
    width: int,
    num_threads: int,
    reformatter: VideoReformatter | None = None,
) -> UInt8[Tensor, "3 height width"]:
    """The stored picture at this size; how it is to be turned is not looked at.

    Args:
        num_threads: of FFmpeg, which are started anew for each frame where there are several.
        reformatter: keeps what it needs to know of frames of one kind, for those that follow.

    Raises:
        ColourError: the frame claims colours that FFmpeg cannot convert.
    """
    try:
        rgb = (reformatter or VideoReformatter()).reformat(
            frame, width=width, height=height, format="rgb24", threads=num_threads
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ColourError(f"its colours cannot be converted to RGB: {describe(error)}") from error
    return torch.from_numpy(rgb.to_ndarray()).permute(2, 0, 1)


def kind_of(frame: av.VideoFrame) -> tuple[object, ...]:
    """What decides whether its colours can be converted."""
    return frame.format.name, frame.colorspace, frame.color_range, frame.width, frame.height
