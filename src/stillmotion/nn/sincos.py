"""Fixed positions."""

import torch
from jaxtyping import Float
from torch import Tensor


def sincos(position: Float[Tensor, "*lead"], dim: int) -> Float[Tensor, "*lead dim"]:
    """sin and cos of position / 10000^(2 i / dim), interleaved: channel 2 i is a sine.

    Source: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), section 3.5. Computed in
    the type of ``position``.
    """
    rates = 1 / 10000 ** (torch.arange(0, dim, 2, dtype=position.dtype) / dim)
    angles = position[..., None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :dim]
