"""In what sums over many numbers are held."""

import torch
from jaxtyping import Float
from torch import Tensor


def accumulator(x: Float[Tensor, "*shape"]) -> torch.dtype:
    """The dtype of sums of x: float32, or float64 where x has it; in less, long sums drift."""
    return torch.promote_types(x.dtype, torch.float32)
