"""One new frame of one video, or of several that run side by side."""

from jaxtyping import Float, UInt8
from torch import Tensor

from stillmotion.errors import ClipError
from stillmotion.shapes import Clip

Frame = Float[Tensor, "*videos 3 height width"] | UInt8[Tensor, "*videos 3 height width"]
"""RGB, uint8 or float in [0, 1]: (3, H, W) of one video, or (B, 3, H, W) of B videos."""

OVERSHOOT = 1.5
"""What resizing may make of float pixels in [0, 1], at most; more are pixels that count to 255."""


def clip_of_one(frame: Frame, *, videos: int | None) -> Clip:
    """(3, H, W) or (B, 3, H, W) to a clip of one frame, (B, 1, 3, H, W).

    Args:
        videos: B of the frames before; None before the first.

    Raises:
        ClipError: for no tensor, another shape, another number of videos than before, or float
            pixels above `OVERSHOOT`.
    """
    if not isinstance(frame, Tensor):
        raise ClipError(
            f"a frame is a tensor, not a {type(frame).__name__}: torch.from_numpy makes one of an "
            "array"
        )
    if frame.ndim not in (3, 4) or len(frame) == 0:
        raise ClipError(
            "a frame has the shape (3, H, W), or (B, 3, H, W) of B videos side by side, at least "
            f"one; not {tuple(frame.shape)}"
        )
    if frame.is_floating_point() and (frame > OVERSHOOT).any():
        raise ClipError(
            f"a float frame is in [0, 1], and this one reaches {float(frame.max()):g}: give uint8, "
            "or divide what counts to 255 by 255"
        )
    clip = frame.unsqueeze(-4).reshape(-1, 1, *frame.shape[-3:])
    if videos not in (None, len(clip)):
        raise ClipError(
            f"{len(clip)} frames, but {videos} videos were followed until now: give one frame of "
            "each, or call reset() to begin anew"
        )
    return clip
