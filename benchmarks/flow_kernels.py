"""Attention-map flow without an N x N map: time and memory of every form of it.

    python benchmarks/flow_kernels.py                  12 heads of 64, 4 frames, float32
    python benchmarks/flow_kernels.py --device cuda    16 frames, bfloat16, and Triton

The plain form, tiles and Triton's kernels beside torch's fused attention on the same queries and
keys (on a GPU its fastest backend, which is named). Queries and keys are slices of one projection,
as in a block. MB is what tensors take at once in a forward and backward.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from statistics import median

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from harness import GPU, Target, arguments, peak_bytes, ratio, report, take_turns
from stillmotion.nn import reference
from stillmotion.nn.flow import HAS_TRITON, attention_received, static_flow
from stillmotion.nn.flow_tiled import tiled_column_sums

Run = Callable[[Tensor, Tensor], Tensor]

FUSED = "fused attention"
BACKENDS = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
LIMITS = {"attention received": 1.5, "static flow": 2.5}
"""Times the fused attention's forward and backward."""

TOKENS = (197, 257, 1025, 1370)
"""Of a frame: patches of 16 pixels at 224 and 512, of 14 at 224 and 518, and a class token."""


def flows(device: str) -> dict[str, Run]:
    """Every form of both flows that this device has."""
    runs: dict[str, Run] = {
        "attention received, plain": reference.attention_received,
        "attention received, tiles": lambda q, k: tiled_column_sums(q, k, False)[0],
        "static flow, plain": reference.static_flow,
        "static flow, tiles": lambda q, k: tiled_column_sums(q, k, True)[0],
    }
    if device == "cuda" and HAS_TRITON:
        runs |= {
            "attention received, Triton": attention_received,
            "static flow, Triton": static_flow,
        }
    return runs


def fused(q: Tensor, k: Tensor, *, backend: SDPBackend | None = None) -> Tensor:
    """Torch's attention of every frame, keys as values."""
    with sdpa_kernel(backend) if backend else ExitStack():
        q, k = q.flatten(0, 1), k.flatten(0, 1)
        return scaled_dot_product_attention(q, k, k)


def fused_backends(q: Tensor, k: Tensor) -> dict[str, Run]:
    """The backends that take these tensors; on the CPU torch chooses."""
    if not q.is_cuda:
        return {FUSED: fused}
    runs: dict[str, Run] = {}
    for name in BACKENDS:
        run = partial(fused, backend=getattr(SDPBackend, name))
        try:
            run(q, k)
        except RuntimeError:
            continue
        runs[f"{FUSED}, {name.split('_')[0].lower()}"] = run
    return runs


def colsum(q: Tensor, k: Tensor) -> Tensor:
    """The flash-colsum package: the mean over heads and queries, forward only."""
    from flash_colsum import flash_colsum

    return flash_colsum(q.flatten(0, 1), k.flatten(0, 1))


def forward(run: Run, q: Tensor, k: Tensor) -> None:
    """Without a graph."""
    with torch.no_grad():
        run(q, k)


def both_ways(run: Run, q: Tensor, k: Tensor) -> None:
    """Forward and backward."""
    out = run(q, k)
    torch.autograd.grad(out, (q, k), torch.ones_like(out))


def heads_of(tokens: int, *, frames: int, device: str) -> tuple[Tensor, Tensor]:
    """Queries and keys (1, T, 12, N, 64) as slices of one fused projection."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    fused_projection = torch.randn(1, frames, tokens, 3, 12, 64, device=device, dtype=dtype)
    q, k, _ = fused_projection.movedim(-2, 2).unbind(-2)
    return q.requires_grad_(), k.requires_grad_()


def kernel_rows(
    tokens: int, *, frames: int, rounds: int, device: str
) -> Iterator[dict[str, object]]:
    """A row for each form, timed in turns; first the fastest fused attention."""
    q, k = heads_of(tokens, frames=frames, device=device)
    attentions = fused_backends(q, k)
    runs = attentions | flows(device)
    back = take_turns(
        {name: partial(both_ways, run, q, k) for name, run in runs.items()},
        rounds=rounds,
        device=device,
    )
    best = min(attentions, key=lambda name: median(back[name]))
    if device == "cuda" and find_spec("flash_colsum"):
        runs["flash-colsum, mean over heads"] = colsum
    front = take_turns(
        {name: partial(forward, run, q, k) for name, run in runs.items()},
        rounds=rounds,
        device=device,
    )
    for name in [best, *(name for name in runs if name not in attentions)]:
        trains = name in back
        yield {
            "N": tokens,
            "form": name,
            "forward ms": 1e3 * median(front[name]),
            "both ms": 1e3 * median(back[name]) if trains else None,
            "forward, of fused": ratio(front, name, best),
            "both, of fused": ratio(back, name, best) if trains else None,
            "MB": peak_bytes(partial(both_ways, runs[name], q, k), device=device) / 1e6
            if trains
            else None,
        }


def targets_of(form: str, rows: Sequence[dict[str, object]]) -> list[Target]:
    """What was asked of tiles or of Triton: for the worst N, and against the plain form."""
    figures = {(row["N"], row["form"]): row for row in rows}
    most = max(row["N"] for row in rows)
    targets = []
    for flow, limit in LIMITS.items():
        name = f"{flow}, {form}"
        what = name if form == "tiles" else GPU + name
        worst = time = memory = None
        if (most, name) in figures:
            ours, plain = figures[most, name], figures[most, f"{flow}, plain"]
            worst = max(row["both, of fused"] for (_, f), row in figures.items() if f == name)
            time, memory = ours["both ms"] / plain["both ms"], plain["MB"] / ours["MB"]
        targets += [
            Target(f"{what}: forward and backward, of {FUSED}", limit, worst),
            Target(f"{what}: time of the plain form, N = {most}", 1.0, time),
            Target(f"{what}: plain form's memory over it, N = {most}", 5.0, memory, "higher"),
        ]
    return targets


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    options = arguments(__doc__).parse_args(given)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = options.device
    sizes = (17, 33) if options.quick else TOKENS
    frames = 16 if device == "cuda" else 2 if options.quick else 4
    rounds = 1 if options.quick else options.rounds
    rows = [
        row
        for tokens in sizes
        for row in kernel_rows(tokens, frames=frames, rounds=rounds, device=device)
    ]
    notes = [f"12 heads of 64, {frames} frames, {'bfloat16' if device == 'cuda' else 'float32'}."]
    if find_spec("flash_colsum") is None:
        notes.append("flash-colsum: not installed.")
    elif device == "cpu":
        notes.append("flash-colsum needs a GPU: not measured.")
    report(
        "flow-kernels",
        rows,
        targets=[target for form in ("tiles", "Triton") for target in targets_of(form, rows)],
        notes=notes,
        device=device,
        out=options.out,
    )


if __name__ == "__main__":
    main()
