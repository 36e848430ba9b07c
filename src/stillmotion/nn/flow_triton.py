"""Attention-map flow on a GPU: launches of `stillmotion.nn.flow_kernels`, as one operator.

A forward is two products of N x N x d a map and a backward five, as many as fused attention's; for
the change between frames four and ten.

Memory: q, k (with any strides, not copied) and the log-sum-exp of rows are kept, O(N) a frame; in
the backward one number more a row, and the gradients, for both frames of a pair until they are
added. This module needs Triton; under ``TRITON_INTERPRET=1`` it runs on the CPU.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from triton import cdiv, next_power_of_2

from stillmotion.nn.flow_kernels import gradient_kernel, logsumexp_kernel, sums_kernel
from stillmotion.nn.flow_operator import flow_operator

LARGEST_HEAD = 128
"""Head dimensions above this do not fit beside their gradients in a program's registers."""

LEAST_CAPABILITY = (8, 0)
"""Earlier GPUs have too little shared memory for the tiles of wide heads."""


def takes(x: Tensor) -> bool:
    """Whether the kernels can read queries or keys (B, T, h, N, d) on a GPU.

    Offsets within one map are 32-bit numbers; float64 and wide heads are left to the tiles.
    """
    return (
        x.dtype != torch.float64
        and x.shape[-1] <= LARGEST_HEAD
        and x.shape[-2] * x.stride(-2) < 2**31
        and torch.cuda.get_device_capability(x.device) >= LEAST_CAPABILITY
    )


def forward(q: Tensor, k: Tensor, change: bool) -> tuple[Tensor, Tensor]:
    """Column sums (B, F, N, h) and the log-sum-exp of rows (B, F, h, N); see `flow_operator`."""
    clips, frames, heads, tokens, _ = q.shape
    sums = q.new_empty(clips, frames - change, tokens, heads)
    logsumexp = torch.empty(sums.mT.shape, dtype=torch.float32, device=q.device)
    ones = logsumexp.new_ones(()).expand_as(logsumexp)
    run = partial(launch, q, change)
    run(logsumexp_kernel, *strided(q, k), logsumexp)
    run(sums_kernel, *strided(k, q), logsumexp, *strided(ones, sums.mT), OWNS_QUERIES=False)
    return sums, logsumexp


def backward(
    gradient: Tensor, q: Tensor, k: Tensor, logsumexp: Tensor, change: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of q and k; see `flow_operator`."""
    g, received = gradient.mT, torch.empty_like(logsumexp)
    run = partial(launch, q, change)
    run(sums_kernel, *strided(q, k), logsumexp, *strided(g, received), OWNS_QUERIES=True)
    known = (logsumexp, *strided(g, received))
    dq, dk = (
        gradient_of(partial(run, gradient_kernel, *strided(own, other), *known), own, change, first)
        for own, other, first in ((q, k, True), (k, q, False))
    )
    return dq, dk


def gradient_of(run: Callable[..., None], x: Tensor, change: bool, queries: bool) -> Tensor:
    """The gradient of queries or keys: of each frame as itself, and as the next of the one before.

    Two programs would write to one frame, so each has a tensor of its own until both are done.
    """
    here = x.new_zeros(x.shape)
    after = x.new_zeros(x.shape) if change else here
    run(*strided(here), after[:, int(change) :], OWNS_QUERIES=queries)
    return here.add_(after) if change else here


def strided(*tensors: Tensor) -> list[Tensor | tuple[int, ...]]:
    """Tensors as kernels take them: each with its strides."""
    return [part for tensor in tensors for part in (tensor, tensor.stride())]


def launch(q: Tensor, change: bool, kernel: Any, *arguments: Any, **flags: bool) -> None:
    """Start one program for every block of tokens of every map."""
    clips, frames, heads, tokens, dim = q.shape
    frames -= change
    shape = tile_shape(dim, q.dtype)
    programs = clips * frames * heads * cdiv(tokens, shape["BLOCK"])
    scale = dim**-0.5 / math.log(2)
    if programs:  # a single frame has no next one
        with torch.cuda.device_of(q):
            kernel[(programs,)](
                *arguments, scale, (frames, heads, tokens, dim), CHANGE=change, **shape, **flags
            )


def tile_shape(dim: int, dtype: torch.dtype) -> dict[str, int]:
    """Tokens that a program owns and streams at once, its padded head dimension, warps and stages.

    The largest tiles that the compiler keeps in registers for every kernel, on compute capability
    8.0 and 9.0. A GPU's speed has not decided between them yet.
    """
    padded = max(16, next_power_of_2(dim))
    wide = padded > 64
    stages = 2 if wide else 3
    if dtype == torch.float32:
        block, stream, warps = (32, 32, 8) if wide else (64, 32, 8)
    else:
        block, stream, warps = (64, 64, 8) if wide else (64, 64, 4)
    return {
        "BLOCK": block, "STREAM": stream, "DIM": padded, "num_warps": warps, "num_stages": stages
    }  # fmt: skip


triton_column_sums = flow_operator("triton_column_sums", forward, backward)
"""Column sums and log-sum-exp of rows of the maps of q and k; see `flow_operator`."""
