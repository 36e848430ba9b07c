"""Attention-map flow tile by tile, in torch: no N x N map exists, in the forward or the backward.

Both flows are column sums of P = softmax_rows(M), with one map M a frame and head:

    attention received     M = s q k^T,  s = 1/sqrt(d)
    change of attention    M = |D|,  D = s q k^T - s q' k'^T,  ' the next frame

    forward                sums_j = Σ_i P_ij
    backward of g          dM_ij = P_ij (g_j - Σ_l P_il g_l),  dD = dM sign(D)
                           dq = s dD k,  dk = s dD^T q,  dq' = -s dD k',  dk' = -s dD^T q'

The softmax runs over keys, so a tile of query rows is complete in itself: its share of the sums is
added and the tile forgotten. The backward computes each tile again, from the log-sum-exp of rows.

Memory: q, k and the log-sum-exp are kept, O(N) a frame. While it runs, three tiles of `TILE`
numbers, and the queries, keys and gradients of the frames that the tile belongs to.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from stillmotion.nn.flow_operator import flow_operator
from stillmotion.nn.sums import accumulator

TILE = 2**17
"""Numbers in a tile: half a MiB in float32, so that every pass over it stays in a core's cache."""


class Side(NamedTuple):
    """Queries and keys of some frames: the frames themselves, or those they are compared with."""

    frames: Tensor
    """Their numbers among the B T frames."""
    scale: float
    """s, or -s for the frames compared with: the maps of two sides are added."""
    q: Tensor
    """(maps, N, d), times ``scale``; a map is one head of one frame."""
    k: Tensor
    """(maps, N, d)."""


def forward(q: Tensor, k: Tensor, change: bool) -> tuple[Tensor, Tensor]:
    """Column sums (B, F, N, h) and the log-sum-exp of rows (B, F, h, N); see `flow_operator`."""
    clips, frames, heads, tokens, _ = q.shape
    shape = (clips, frames - change, heads, tokens)
    sums = q.new_zeros(clips * (frames - change) * heads, tokens, 1, dtype=accumulator(q))
    logsumexp = torch.empty_like(sums)
    for first, sides in chunks(q, k, change):
        for maps, rows in tiles(*sides[0].q.shape[:2]):
            tile = difference(sides, maps, rows)
            tile = tile.abs_() if change else tile
            top = tile.amax(-1, keepdim=True)
            total = tile.sub_(top).exp_().sum(-1, keepdim=True)
            place = slice(first + maps.start, first + maps.stop)
            logsumexp[place, rows] = total.log() + top
            sums[place].baddbmm_(tile.mT, total.reciprocal())
    return sums.view(shape).mT.to(q.dtype).contiguous(), logsumexp.view(shape)


def backward(
    gradient: Tensor, q: Tensor, k: Tensor, logsumexp: Tensor, change: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of q and k; see `flow_operator`."""
    tokens, dtype = q.shape[-2], accumulator(q)
    dq, dk = (torch.zeros(x.shape, dtype=dtype, device=x.device).flatten(0, 1) for x in (q, k))
    g = gradient.mT.to(dtype).reshape(-1, tokens, 1)
    logsumexp = logsumexp.reshape(-1, tokens, 1)
    for first, sides in chunks(q, k, change):
        parts = [s._replace(q=torch.empty_like(s.q), k=torch.zeros_like(s.k)) for s in sides]
        for maps, rows in tiles(*sides[0].q.shape[:2]):
            place = slice(first + maps.start, first + maps.stop)
            tile = difference(sides, maps, rows)
            tile = gradient_of_tile(tile, change, g[place], logsumexp[place, rows])
            for side, part in zip(sides, parts, strict=True):
                part.q[maps, rows] = tile @ side.k[maps]
                part.k[maps].baddbmm_(tile.mT, side.q[maps, rows])
        for part in parts:
            dq.index_add_(0, part.frames, part.q.view(-1, *dq.shape[1:]), alpha=part.scale)
            dk.index_add_(0, part.frames, part.k.view(-1, *dk.shape[1:]))
    return dq.view(q.shape).to(q.dtype), dk.view(k.shape).to(k.dtype)


def difference(sides: list[Side], maps: slice, rows: slice) -> Tensor:
    """D of some rows of some maps: s q k^T, minus that of the frames compared with.

    Two products that are added, not one of 2 d columns: frames that are equal differ by exactly 0,
    where the sign, and so the gradient, is 0.
    """
    first, *others = (side.q[maps, rows] @ side.k[maps].mT for side in sides)
    for other in others:
        first += other
    return first


def gradient_of_tile(tile: Tensor, change: bool, g: Tensor, logsumexp: Tensor) -> Tensor:
    """dD from D, of a tile (maps, rows, N) of rows with the given log-sum-exp; uses up ``tile``."""
    sign = tile.sign() if change else None
    attention = (tile.abs_() if change else tile).sub_(logsumexp).exp_()
    attention.mul_(g.mT - attention @ g)
    return attention if sign is None else attention.mul_(sign)


def chunks(q: Tensor, k: Tensor, change: bool) -> Iterator[tuple[int, list[Side]]]:
    """Frames whose maps are together about one tile, or one frame that is more.

    Yields the number of the first map, and one side, or two where frames are compared.
    """
    clips, frames, heads, tokens, dim = q.shape
    numbers = torch.arange(clips * frames, device=q.device).view(clips, frames)
    together = max(1, TILE // (heads * tokens**2))
    for number, chosen in enumerate(numbers[:, : frames - change].flatten().split(together)):
        sides = [side_of(q, k, chosen, dim**-0.5)]
        if change:
            sides.append(side_of(q, k, chosen + 1, -(dim**-0.5)))
        yield number * together * heads, sides


def side_of(q: Tensor, k: Tensor, frames: Tensor, scale: float) -> Side:
    """The queries and keys of some of the B T frames, copied."""
    q, k = (x.flatten(0, 1)[frames].to(accumulator(q)).flatten(0, 1).contiguous() for x in (q, k))
    return Side(frames, scale, q.mul_(scale), k)


def tiles(maps: int, tokens: int) -> Iterator[tuple[slice, slice]]:
    """Maps and rows of every tile: some maps whole, or some rows of one."""
    rows = min(tokens, max(1, TILE // tokens))
    together = max(1, TILE // (rows * tokens))
    for first in range(0, maps, together):
        for row in range(0, tokens, rows):
            yield slice(first, min(first + together, maps)), slice(row, row + rows)


tiled_column_sums = flow_operator("tiled_column_sums", forward, backward)
"""Column sums and log-sum-exp of rows of the maps of q and k; see `flow_operator`."""
