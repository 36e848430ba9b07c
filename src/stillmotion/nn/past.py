"""What is remembered of earlier frames, so that those that follow need not see them again.

A module that looks back offers ``step(x, past) -> (y, past)``: what it makes of frames x that
follow others, and what it must know of all of them when the next ones come. Before the first frame
the past is None; a clip is what follows no past, so ``forward(x)`` is ``step(x, None)[0]``. A past
is handed on and never written into: many streams can share one module, and one stream can be
continued in several ways.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.nn.sums import accumulator

Past = Any
"""A tensor, or tuples and lists of pasts; None before the first frame."""


class Remembering:
    """A module that has a `step`, called as if it had none: ``past`` is what it remembers."""

    def __init__(self, module: nn.Module, past: Past) -> None:
        self.module, self.past = module, past

    def __call__(self, *x: Tensor) -> Tensor:
        y, self.past = self.module.step(*x, self.past)  # type: ignore[operator]
        return y


class Average(NamedTuple):
    """The mean over all frames so far, of the type of `accumulator`, and how many they were."""

    mean: Float[Tensor, "S 1 C"]
    num_frames: int


def average(
    x: Float[Tensor, "S T C"], past: Average | None
) -> tuple[Float[Tensor, "S C"], Average]:
    """The mean over these frames and those before, of the type of x; what is remembered of it."""
    new, frames = x.mean(dim=1, keepdim=True, dtype=accumulator(x)), x.shape[1]
    if past is not None:
        frames += past.num_frames
        new = past.mean + (new - past.mean) * (x.shape[1] / frames)
    return new[:, 0].to(x.dtype), Average(new, frames)


def joined(past: Tensor | None, x: Float[Tensor, "B T *rest"]) -> Float[Tensor, "B later *rest"]:
    """Frames (B, T, ...) after those that are remembered."""
    return x if past is None else torch.cat([past, x], dim=1)
