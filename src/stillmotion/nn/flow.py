"""Attention-map flow, for large frames without keeping an N x N map: rows of queries at a time.

The softmax runs over keys, so a tile of query rows is complete in itself and its contribution to
the column sums can be added and forgotten: it is the plain equation of `stillmotion.nn.reference`
on fewer rows. With more than one tile the backward recomputes each tile, and the peak memory is
that of one tile; a frame that is one tile is not worth the recomputation.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from stillmotion.nn import reference
from stillmotion.nn.reference import Pairing

TILE = 257
"""Query rows in a tile: about one image of 224 pixels (N = 197 or 257)."""


def attention_received(
    q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"]
) -> Float[Tensor, "B T N h"]:
    """How much attention each token receives (E 4): column sums of softmax attention.

    Args:
        q: queries, unscaled: 1/sqrt(d) is applied inside.
        k: keys.

    Returns:
        One number a token, frame and head; over tokens they sum to N, so they average 1.
    """
    if q.shape[-2] <= TILE:
        return reference.attention_received(q, k)
    return sum_over_tiles(reference.attention_received, q, k)


def static_flow(
    q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], pairing: Pairing = "next"
) -> Float[Tensor, "B T N h"]:
    """How much change of attention each token receives from a frame to its partner (E 3).

    Args:
        q: queries, unscaled: 1/sqrt(d) is applied inside.
        k: keys.
        pairing: ``next`` compares frame t with t + 1, ``previous`` with t - 1 (causal).

    Returns:
        One number a token, frame and head, averaging 1 over tokens; exactly 1 for the frame without
        a partner.
    """
    if q.shape[-2] <= TILE:
        return reference.static_flow(q, k, pairing)
    return sum_over_tiles(partial(reference.static_flow, pairing=pairing), q, k)


def sum_over_tiles(
    plain: Callable[[Tensor, Tensor], Tensor],
    q: Float[Tensor, "B T h N d"],
    k: Float[Tensor, "B T h N d"],
) -> Float[Tensor, "B T N h"]:
    """Add up ``plain(rows of q, k)``, keeping no tile for the backward."""
    tiles = [
        checkpoint(plain, rows, k, use_reentrant=False, preserve_rng_state=False)
        for rows in q.split(TILE, dim=-2)
    ]
    return torch.stack(tiles).sum(dim=0)
