"""Attention-map flow without an N x N map: the one place that chooses how it is computed.

The equations stand in `stillmotion.nn.reference`, the oracle of everything here. Triton's kernels
(`stillmotion.nn.flow_triton`) compute them on a GPU; tiles (`stillmotion.nn.flow_tiled`) elsewhere,
in float64, and for heads too wide for the kernels. Both keep O(N) numbers a frame. A model that is
exported gets the equations themselves, so that other runtimes need no operator of ours.
"""

from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from stillmotion.nn import reference
from stillmotion.nn.flow_tiled import tiled_column_sums
from stillmotion.nn.reference import Pairing

HAS_TRITON = find_spec("triton") is not None


def attention_received(
    q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"]
) -> Float[Tensor, "B T N h"]:
    """How much attention each token receives (E 4): column sums of softmax attention.

    Args:
        q: queries, unscaled: 1/sqrt(d) is applied inside. Any strides and any float dtype; sums
            are accumulated in float32, or float64 where q has it.
        k: keys, alike.

    Returns:
        One number a token, frame and head, of q's dtype; over tokens they sum to N, so they
        average 1. It can be differentiated once.
    """
    if torch.compiler.is_exporting():
        return reference.attention_received(q, k)
    return column_sums(q, k, change=False)


def static_flow(
    q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], pairing: Pairing = "next"
) -> Float[Tensor, "B T N h"]:
    """How much change of attention each token receives from a frame to its partner (E 3).

    Args:
        q: queries, as for `attention_received`.
        k: keys, alike.
        pairing: ``next`` compares frame t with t + 1, ``previous`` with t - 1 (causal).

    Returns:
        One number a token, frame and head, of q's dtype, averaging 1 over tokens; exactly 1 for the
        frame without a partner. It can be differentiated once.
    """
    if torch.compiler.is_exporting():
        return reference.static_flow(q, k, pairing)
    # The change is the same seen from either frame of a pair: the pairing says whose it is.
    before, after = (0, 1) if pairing == "next" else (1, 0)
    return pad(column_sums(q, k, change=True), (0, 0, 0, 0, before, after), value=1.0)


def column_sums(
    q: Float[Tensor, "B T h N d"], k: Float[Tensor, "B T h N d"], *, change: bool
) -> Float[Tensor, "B F N h"]:
    """What both flows are; ``change``: of each of the T - 1 pairs of frames, not of each frame."""
    if HAS_TRITON and q.is_cuda:
        from stillmotion.nn import flow_triton

        if flow_triton.takes(q) and flow_triton.takes(k):
            if torch.is_autocast_enabled("cuda"):  # as for torch's own products
                q, k = (x.to(torch.get_autocast_dtype("cuda")) for x in (q, k))
            return flow_triton.triton_column_sums(q, k, change)[0]
    return tiled_column_sums(q, k, change)[0]
