"""Some channels of a token come from another frame."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.shapes import Tokens


def shift_channels(x: Tokens, plan: Sequence[tuple[int, int]]) -> Tokens:
    """Channels from 0 up, in ranges of a plan, are replaced by those of other frames.

    Args:
        x: (B, T, N, C).
        plan: (offset in frames, number of channels) of each range; -1 reads the frame before.
            Together no more than C channels; the others stay.
    """
    widths = [width for _, width in plan]
    *ranges, rest = x.split([*widths, x.shape[-1] - sum(widths)], dim=-1)
    read = [from_frame(part, offset) for part, (offset, _) in zip(ranges, plan, strict=True)]
    return torch.cat([*read, rest], dim=-1)


def shift_channels_(x: Tokens, plan: Sequence[tuple[int, int]]) -> Tokens:
    """The same in ``x`` itself, which costs a copy of the ranges alone; where nothing is recorded
    for a backward."""
    first = 0
    for offset, width in plan:
        part = x.narrow(-1, first, width)
        part.copy_(from_frame(part, offset))
        first += width
    return x


def from_frame(x: Float[Tensor, "B T *rest"], offset: int) -> Float[Tensor, "B T *rest"]:
    """Frame t becomes frame t + offset where there is one, and stays itself where there is none."""
    length = x.shape[1]
    away = min(abs(offset), length)
    if offset < 0:
        return torch.cat([x[:, :away], x[:, : length - away]], dim=1)
    return torch.cat([x[:, away:], x[:, length - away :]], dim=1)
