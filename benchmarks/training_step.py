"""Seconds, bytes and products of one training step of every method, beside the frozen image model.

    python benchmarks/training_step.py                  ViT-B/16, one clip of 8 frames, float32
    python benchmarks/training_step.py --device cuda    ViT-B and ViT-L, eight clips, bfloat16

A step is forward, backward, the fused optimizer and forgetting the gradients; seconds are those of
the fastest round, ratios the medians over rounds in which both runs took their turn. Beside the
methods stand the image model alone, frame by frame, with gradients back to its pixels; AIM with its
authors' block in the place of ours (explicit softmax attention, rearranged copies, the same weights
and, which is checked, the same logits); and AIM that keeps nothing inside its blocks and computes
it again.

FLOPs are 2 x the multiply-adds of the matrix products of a step, counted by torch's flop counter:
the forward, gradients for inputs as far back as something trains, and gradients for the weights
that train. Frozen weights need none, and what checkpointed blocks compute again does not count.
Utilisation is FLOPs / (seconds x the device's dense bfloat16 peak). "Of the image model's" is FLOPs
a second over those of the image model alone.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch

from harness import PEAK_FLOPS, Target, arguments, peak_bytes, ratio, report, take_turns
from training.steps import AUTHORS, CHECKPOINTED, COMPILED, FRAMES, IMAGE_MODEL, Work, all_steps


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = arguments(__doc__)
    parser.set_defaults(rounds=3)
    parser.add_argument("--compiled", action="store_true", help="also where it takes many minutes")
    asked = parser.parse_args(given)
    torch.set_num_threads(asked.threads)
    for work in works(asked.device, quick=asked.quick, compiled=asked.compiled):
        rows, targets = measure(work, rounds=1 if asked.quick else asked.rounds)
        report(
            f"training_step_{work.backbone.split('_')[1]}",
            rows,
            targets=targets,
            notes=[
                f"{work.backbone}, {work.batch} x {FRAMES} frames of {work.image_size} pixels, "
                f"{'bfloat16' if work.device == 'cuda' else 'float32'}."
            ],
            device=work.device,
            out=asked.out,
        )


def works(device: str, *, quick: bool, compiled: bool) -> list[Work]:
    """The image models that a device is asked for."""
    if quick:
        return [Work("vit_tiny_patch16_224", device, 1, compiled=False, image_size=64, depth=4)]
    if device == "cpu":
        return [Work("vit_base_patch16_224", device, 1, compiled)]
    return [
        Work("vit_base_patch16_224", device, 8, compiled=True),
        Work("vit_large_patch16_224", device, 8, compiled),
    ]


def measure(work: Work, *, rounds: int) -> tuple[list[dict[str, object]], list[Target]]:
    """A row for each run, and the targets."""
    steps = dict(all_steps(work))
    if work.device == "cuda":
        for step in steps.values():  # compiles, and takes memory that later steps do not
            step()
    memory = {name: peak_bytes(step.gradients, device=work.device) for name, step in steps.items()}
    seconds = take_turns(steps, rounds=rounds, warmup=0, device=work.device)
    flops = {name: step.flops() for name, step in steps.items()}
    flops[CHECKPOINTED] = flops["aim"]
    times = {name: ratio(seconds, name, image_model_beside(name)) for name in steps}
    of_image_model = {
        name: flops[name] / flops[image_model_beside(name)] / times[name] for name in steps
    }
    peak = peak_flops(work.device)
    rows: list[dict[str, object]] = [
        {
            "method": name,
            "seconds": min(seconds[name]),
            "times the image model's": times[name],
            "peak MB": memory[name] / 1e6,
            "GFLOPs": flops[name] / 1e9,
            "GFLOPs a second, of the image model's": of_image_model[name],
            "utilisation": flops[name] / min(seconds[name]) / peak if peak else None,
        }
        for name in steps
    ]
    return rows, targets(work, seconds, memory, of_image_model)


def image_model_beside(name: str) -> str:
    """The run of the image model that a run is compared with: compiled where this is."""
    return IMAGE_MODEL + (COMPILED if name.endswith(COMPILED) else "")


def targets(
    work: Work,
    seconds: Mapping[str, Sequence[float]],
    memory: Mapping[str, int],
    of_image_model: Mapping[str, float],
) -> list[Target]:
    """What issue 5 asks for, at ViT-B/16; of a run that was compiled, too, the compiled one counts.

    Args:
        seconds: of each run, round by round.
    """
    over_authors = memory_of_aim = lowest = None
    if work.device == "cuda":
        ours, theirs = (at_best(name, seconds) for name in ("aim", AUTHORS))
        memory_of_aim = memory[ours] / memory[theirs]
        counted = {name.removesuffix(COMPILED) for name in seconds}
        counted -= {IMAGE_MODEL, AUTHORS, CHECKPOINTED}
        lowest = min(of_image_model[at_best(name, seconds)] for name in counted)
        if work.compiled:
            over_authors = ratio(seconds, ours, theirs)
    parallel = ratio(seconds, "amflow.parallel", "adaptformer")
    return [
        Target("AM Flow's step, parallel, over AdaptFormer's", 1.35, parallel),
        Target("AIM's step over that of its authors' block", 1.0, ratio(seconds, "aim", AUTHORS)),
        Target("GPU: AIM's step over its authors' block's, both compiled", 1 / 1.3, over_authors),
        Target("GPU: AIM's peak memory over its authors' block's", 0.8, memory_of_aim),
        Target("GPU: lowest utilisation of the image model's", 0.85, lowest, better="higher"),
    ]


def at_best(name: str, runs: Iterable[str]) -> str:
    """The compiled run where there is one."""
    return name + COMPILED if name + COMPILED in runs else name


def peak_flops(device: str) -> float | None:
    """The peak of this GPU, where it is known."""
    if device == "cpu":
        return None
    name = torch.cuda.get_device_name()
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None)


if __name__ == "__main__":
    main()
