"""Attention over any leading axes."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from stillmotion.shapes import Heads


def split_heads(x: Float[Tensor, "*lead N C"], num_heads: int) -> Float[Tensor, "*lead h N d"]:
    """(..., N, C) -> (..., h, N, C / h)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(-3, -2)


def merge_heads(heads: Heads) -> Float[Tensor, "*lead N C"]:
    """(..., h, N, d) -> (..., N, h d)."""
    return heads.transpose(-3, -2).flatten(-2)


def attend(q: Heads, k: Float[Tensor, "*lead h M d"], v: Float[Tensor, "*lead h M d"]) -> Heads:
    """Softmax attention, scaled by 1/sqrt(d): (..., h, N, d) -> (..., h, N, d).

    Leading axes are folded into one and restored: torch's fused kernels take four axes only.
    """
    lead = q.shape[:-3]
    q, k, v = (t.reshape(-1, *t.shape[-3:]) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).unflatten(0, lead)


def attention_logits(q: Heads, k: Float[Tensor, "*lead h M d"]) -> Float[Tensor, "*lead h N M"]:
    """What `attend` takes the softmax of: q k^T / sqrt(d)."""
    return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
