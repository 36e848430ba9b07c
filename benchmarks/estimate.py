"""What a GPU and many would give: arithmetic on counted work. Nothing here was measured on one.

    python benchmarks/estimate.py                       ViT-B/16, Kinetics-400, 30 epochs
    python benchmarks/estimate.py --share 0.3           a GPU that reaches 30 % of its peak

Counted: the multiply-adds of one clip's training step, forward and backward (frozen weights have
no gradients of their own), and the bytes of gradients that several GPUs exchange in a step.
Assumed: the peak of the GPU's data sheet, the share of it that a step reaches, and that the input
keeps up; the table says how many clips a second that is.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import PEAK_FLOPS, arguments, report
from stillmotion.accounting import without_weights
from stillmotion.methods import METHODS, Method

CLIPS = 240_000
"""Training videos of Kinetics-400, about."""


def work_of_a_step(method: Method, *, num_frames: int, image_size: int) -> tuple[int, int]:
    """Operations (two a multiply-add) of one clip's forward and backward, and trained numbers."""
    model = without_weights(
        f"vit_base_patch16_{image_size}", method, num_frames=num_frames, num_classes=400
    ).train()
    clip = torch.empty(1, num_frames, 3, image_size, image_size, device="meta")
    counter = FlopCounterMode(display=False)
    with counter:
        model(clip).sum().backward()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return counter.get_total_flops(), trained


def main(given: Sequence[str] | None = None) -> None:
    """Count, divide, print, write."""
    parser = arguments(__doc__)
    parser.add_argument("--share", type=float, default=0.4, help="of its peak, that a step reaches")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(given)
    peak = PEAK_FLOPS["H200"]
    names = ["linear_probe"] if options.quick else list(METHODS)
    rows = []
    for name in names:
        cls = METHODS[name]
        method = getattr(cls, cls.starting_preset)() if cls.starting_preset else cls()
        count = partial(work_of_a_step, num_frames=8, image_size=224)
        operations, trained = count(method)
        clips = options.share * peak / operations
        hours = options.epochs * CLIPS / clips / 3600
        rows.append(
            {
                "method": name,
                "TFLOP a clip": operations / 1e12,
                "clips/s, 1 GPU": clips,
                "hours, 1 GPU": hours,
                "hours, 8": hours / 8,
                "hours, 64": hours / 64,
                "MB of gradients a step": 4 * trained / 1e6,
            }
        )
    note = (
        f"Arithmetic, not a measurement: {options.epochs} epochs of {CLIPS:,} clips of 8 frames on "
        f"H200s that reach {options.share:.0%} of {peak / 1e12:.0f} TFLOP/s in bfloat16; exchange "
        "and input keep up."
    )
    report("estimate", rows, notes=[note], counted=True, out=options.out)


if __name__ == "__main__":
    main()
