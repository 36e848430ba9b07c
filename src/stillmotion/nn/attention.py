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


def frames_together(heads: Float[Tensor, "B T *mid N d"]) -> Float[Tensor, "B *mid TN d"]:
    """(B, T, ..., N, d) -> (B, ..., T N, d): the tokens of all frames in one row."""
    return heads.movedim(1, -3).flatten(-3, -2)


def frames_apart(
    heads: Float[Tensor, "B *mid TN d"], num_frames: int
) -> Float[Tensor, "B T *mid N d"]:
    """The inverse of `frames_together`."""
    return heads.unflatten(-2, (num_frames, -1)).movedim(-3, 1)


def split_windows(x: Float[Tensor, "*lead N d"], windows: int) -> Float[Tensor, "*lead W n d"]:
    """(..., N, d) -> (..., W, N / W, d); token i belongs to window i mod W, as in Hiera."""
    return x.unflatten(-2, (-1, windows)).transpose(-3, -2)


def join_windows(x: Float[Tensor, "*lead W n d"]) -> Float[Tensor, "*lead N d"]:
    """The inverse of `split_windows`."""
    return x.transpose(-3, -2).flatten(-3, -2)
