"""The static flow of a frame against the one before, of which queries and keys are remembered."""

import torch
from jaxtyping import Float
from torch import Tensor

ROWS = 256
"""Query rows whose part of the map exists at once: a whole image of 224 pixels."""


def flow_between(
    q: Float[Tensor, "*lead h N d"],
    k: Float[Tensor, "*lead h N d"],
    earlier_q: Float[Tensor, "*lead h N d"],
    earlier_k: Float[Tensor, "*lead h N d"],
) -> Float[Tensor, "*lead N h"]:
    """What `static_flow` gives for the second of two frames, with pairing ``previous`` (E 3).

        softmax_rows(|s q k^T - s q' k'^T|)^T 1,  s = 1/sqrt(d)

    The difference is one product of 2 d columns, [s q || -s q'] [k || k']^T: half the passes over
    the map of two products. Frames that are equal differ by rounding, not by exactly 0.
    """
    scale = q.shape[-1] ** -0.5
    queries = torch.cat([scale * q, -scale * earlier_q], dim=-1)
    keys = torch.cat([k, earlier_k], dim=-1).mT
    tiles = [
        (rows @ keys).abs_().softmax(dim=-1).sum(dim=-2) for rows in queries.split(ROWS, dim=-2)
    ]
    return torch.stack(tiles).sum(dim=0).mT
