"""What attention-map flow adds to the memory of a training step, and how that grows with tokens.

    python benchmarks/flow_memory.py                   AM Flow, parallel, on ViT-S
    python benchmarks/flow_memory.py --device cuda     the same in bfloat16, with Triton's kernels

MB are the most that tensors take at once in a forward and backward, for each of two frames; what
the flow adds is over the same model with ``flow="none"``. ``power`` p is the growth from the row
above, N^p: 1 where memory is O(N), 2 where maps are kept, as by the plain form beside it.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import torch
from torch.nn.functional import cross_entropy

from harness import PARALLEL, Target, arguments, peak_bytes, report
from stillmotion.model import adapt
from stillmotion.nn import reference

IMAGES = {
    197: ("vit_small_patch16_224", 224),
    257: ("vit_small_patch14_dinov2", 224),
    1025: ("vit_small_patch16_224", 512),
    1370: ("vit_small_patch14_dinov2", 518),
}
"""Image model and pixels a side that give N tokens a frame."""

TINY = {10: ("vit_small_patch16_224", 48), 17: ("vit_small_patch16_224", 64)}
"""The same for a quick look."""


def step_bytes(tokens: int, flow: str, *, plain: bool, device: str) -> int:
    """The most that tensors take in a training step of one clip of two frames."""
    backbone, image_size = (IMAGES | TINY)[tokens]
    method = replace(PARALLEL, flow=flow)
    sizes = {"num_frames": 2, "num_classes": 10, "image_size": image_size}
    model = adapt(backbone, method, weights="none", **sizes).to(device).train()
    clip = torch.rand(1, 2, 3, image_size, image_size, device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = cross_entropy(
                model(clip).float(), torch.zeros(1, dtype=torch.long, device=device)
            )
        loss.backward()

    with ExitStack() as plainly:
        for name in ("static_flow", "attention_received") if plain else ():
            place = f"stillmotion.methods.amflow.flow.{name}"
            plainly.enter_context(patch(place, getattr(reference, name)))
        step()  # gradients take their room once
        return peak_bytes(step, device=device)


def memory_rows(sizes: Sequence[int], *, device: str) -> Iterator[dict[str, object]]:
    """MB a frame that each flow adds, and how fast that grows."""
    measure = partial(step_bytes, device=device)
    without = {tokens: measure(tokens, "none", plain=False) for tokens in sizes}
    for flow in ("static", "aligned"):
        before: tuple[int, float] | None = None
        for tokens in sizes:
            added, plainly = (
                (measure(tokens, flow, plain=plain) - without[tokens]) / 2e6
                for plain in (False, True)
            )
            yield {
                "flow": flow,
                "N": tokens,
                "MB a frame": added,
                "power": math.log(added / before[1], tokens / before[0]) if before else None,
                "MB a frame, plain": plainly,
                "model without flow, MB a frame": without[tokens] / 2e6,
            }
            before = tokens, added


def memory_targets(rows: Sequence[dict[str, object]]) -> list[Target]:
    """O(N): from the smallest frames to the largest the power is that of N, not of N^2."""
    targets = []
    for flow in ("static", "aligned"):
        ends = [row for row in rows if row["flow"] == flow][:: len(rows) // 2 - 1]
        (few, start), (many, end) = ((row["N"], row["MB a frame"]) for row in ends)
        power = math.log(end / start, many / few)
        targets.append(Target(f"{flow}: p of N^p, N = {few} to {many}", 1.2, power, unit=""))
    return targets


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    options = arguments(__doc__).parse_args(given)
    torch.set_num_threads(options.threads)
    sizes = tuple(TINY if options.quick else IMAGES)
    rows = list(memory_rows(sizes, device=options.device))
    targets = [] if options.quick else memory_targets(rows)
    report("flow-memory", rows, targets=targets, device=options.device, out=options.out)


if __name__ == "__main__":
    main()
