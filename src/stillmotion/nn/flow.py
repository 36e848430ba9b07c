"""Attention-map flow without keeping an N x N map: rows of queries at a time.

The softmax runs over keys, so a tile of query rows is complete in itself and its contribution to
the column sums can be added and forgotten. With more than one tile the backward recomputes each
tile, and the peak memory is that of one tile. `stillmotion.nn.reference` holds the plain equations,
the oracle of the tests.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from stillmotion.nn import reference
from stillmotion.nn.attention import attention_logits
from stillmotion.nn.reference import Pairing, partner

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
    return sum_over_tiles(received_by_tile, (q,), (k,))


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
    return sum_over_tiles(flow_by_tile, (q, partner(q, pairing)), (k, partner(k, pairing)))


def received_by_tile(q: Tensor, k: Tensor) -> Tensor:
    """(B, T, h, n, d) and (B, T, h, N, d) -> what n queries contribute, (B, T, N, h)."""
    return attention_logits(q, k).softmax(dim=-1).sum(dim=-2).transpose(-2, -1)


def flow_by_tile(q: Tensor, q_partner: Tensor, k: Tensor, k_partner: Tensor) -> Tensor:
    """The same for the change of logits between two frames."""
    change = (attention_logits(q, k) - attention_logits(q_partner, k_partner)).abs()
    return change.softmax(dim=-1).sum(dim=-2).transpose(-2, -1)


def sum_over_tiles(
    tile: Callable[..., Tensor], queries: tuple[Tensor, ...], keys: tuple[Tensor, ...]
) -> Tensor:
    """Add up ``tile(*rows of the queries, *keys)``, keeping no tile for the backward."""
    total: Tensor | None = None
    for rows in zip(*(q.split(TILE, dim=-2) for q in queries), strict=True):
        part = checkpoint(tile, *rows, *keys, use_reentrant=False)
        total = part if total is None else total + part
    assert total is not None
    return total
