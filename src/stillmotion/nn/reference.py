"""Attention-map flow as its equations say it: plain, slow, the oracle of every fast path.

Both functions take queries (B, T, h, M, d) and keys (B, T, h, N, d), unscaled, and return
(B, T, N, h): one number for every token (as key), head and frame, summed over the M queries: all N
of them, or some rows of a tiled sum. The paper (arXiv 2411.02065) multiplies by ones of the
shape of the values, which repeats that number in d equal columns; a linear layer over equal columns
is a linear layer over one, so it is kept once.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from stillmotion.nn.attention import attention_logits

Pairing = Literal["next", "previous"]
"""Which frame a frame is compared with: t with t + 1, or t with t - 1 (causal)."""


def attention_received(
    q: Float[Tensor, "B T h M d"], k: Float[Tensor, "B T h N d"]
) -> Float[Tensor, "B T N h"]:
    """How much attention each token receives: softmax_rows(A)^T 1 (E 4). Sums to N over tokens."""
    attention = attention_logits(q, k).softmax(dim=-1)
    return attention.sum(dim=-2).transpose(-2, -1)


def static_flow(
    q: Float[Tensor, "B T h M d"], k: Float[Tensor, "B T h N d"], pairing: Pairing = "next"
) -> Float[Tensor, "B T N h"]:
    """How much attention *change* each token receives: softmax_rows(|A_t - A_t+1|)^T 1 (E 3).

    The frame without a partner is paired with itself: its flow is 1 everywhere, what no motion
    gives.
    """
    logits = attention_logits(q, k)
    change = (logits - partner(logits, pairing)).abs()
    return change.softmax(dim=-1).sum(dim=-2).transpose(-2, -1)


def partner(x: Float[Tensor, "B T *rest"], pairing: Pairing) -> Float[Tensor, "B T *rest"]:
    """Each frame's partner; the frame at the end that has none is its own."""
    if pairing == "next":
        return torch.cat([x[:, 1:], x[:, -1:]], dim=1)
    return torch.cat([x[:, :1], x[:, :-1]], dim=1)
