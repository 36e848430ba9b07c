"""How a pair of functions becomes one differentiable operator of torch.

`torch.library.custom_op` makes a kernel one opaque node: `torch.compile` takes it whole, whatever
loops or Triton kernels are inside. An `autograd.Function` would unroll its tiles into the graph,
`triton_op` would let the compiler into kernels that have nothing left to fuse.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from stillmotion.nn.sums import accumulator

Forward = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]
Backward = Callable[[Tensor, Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]]


def flow_operator(name: str, forward: Forward, backward: Backward) -> Forward:
    """Register two functions as ``stillmotion::name`` and ``stillmotion::name_back``.

    Args:
        forward: queries and keys (B, T, h, N, d) of one dtype and device, any strides, and whether
            it is the change between frames that counts; to column sums (B, F, N, h) of that dtype
            and the log-sum-exp of every row (B, F, h, N), of the dtype of `accumulator` and in the
            backward's own units. F is T, or T - 1 for the change.
        backward: the gradient of the column sums, queries, keys, log-sum-exp and the same flag; to
            the gradients of queries and keys, contiguous.

    Returns:
        ``forward`` as an operator that can be differentiated once.
    """
    operator = torch.library.custom_op(
        f"stillmotion::{name}", without_autocast(forward), mutates_args=()
    )
    back = torch.library.custom_op(
        f"stillmotion::{name}_back", without_autocast(backward), mutates_args=()
    )
    operator.register_fake(shapes_forward)
    back.register_fake(shapes_backward)

    def keep(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: tuple[Tensor, Tensor]) -> None:
        q, k, ctx.change = inputs
        ctx.save_for_backward(q, k, output[1])

    def differentiate(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        return *back(gradient, *ctx.saved_tensors, ctx.change), None

    operator.register_autograd(differentiate, setup_context=keep)
    register_flop_formula(getattr(torch.ops.stillmotion, name))(products(1))
    register_flop_formula(getattr(torch.ops.stillmotion, f"{name}_back"))(products(2))
    return operator


def without_autocast(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is, which autocast would let sum in few bits."""

    @wraps(function)
    def run(*arguments: Any) -> Any:
        with torch.autocast(arguments[0].device.type, enabled=False):
            return function(*arguments)

    return run


def shapes_forward(q: Tensor, k: Tensor, change: bool) -> tuple[Tensor, Tensor]:
    """What a forward returns, without numbers."""
    clips, frames, heads, tokens, _ = q.shape
    frames -= int(change)  # what a compiler traces takes no truth values
    return (
        q.new_empty(clips, frames, tokens, heads),
        q.new_empty(clips, frames, heads, tokens, dtype=accumulator(q)),
    )


def shapes_backward(
    gradient: Tensor, q: Tensor, k: Tensor, logsumexp: Tensor, change: bool
) -> tuple[Tensor, Tensor]:
    """What a backward returns, without numbers."""
    return q.new_empty(q.shape), k.new_empty(k.shape)


def products(maps: int) -> Callable[..., int]:
    """FLOPs of so many products of the size of q k^T, one a frame: what the equations need.

    What a kernel computes again to save memory is not counted, so every form counts the same.
    """

    def formula(*shapes: Any, out_val: object = None, **_: object) -> int:
        clips, frames, heads, tokens, dim = next(s for s in shapes if len(s) == 5)
        return maps * 2 * clips * frames * heads * tokens**2 * dim

    return formula
