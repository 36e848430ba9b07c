"""What a GPU and many would give: arithmetic on counted work. Nothing here was measured on one.

    python benchmarks/estimate.py                       ViT-B/16, Kinetics-400, 30 epochs
    python benchmarks/estimate.py --share 0.3           a GPU that reaches 30 % of its peak

Counted: the multiply-adds of one clip's training step, forward and backward (frozen weights have
no gradients of their own), the bytes of gradients that several GPUs exchange in a step, and the
frozen weights that each holds where they are divided. Measured: the clips that a core decodes in a
second (`input_pipeline.py`). Assumed: the peak of the GPU's data sheet, the share of it that a step
reaches, cores and network as below. Seconds of a step with n GPUs:

    max(computing, decoding) + exchange that the backward does not hide + a message before it
"""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import PEAK_FLOPS, RESULTS, arguments, report
from stillmotion.accounting import without_weights
from stillmotion.methods import METHODS, AdaptFormer, Method
from stillmotion.model import VideoClassifier

CLIPS = 240_000
"""Training videos of Kinetics-400, about."""
CLIPS_A_GPU = 32
"""In a step."""
CORES_A_GPU = 14
"""NVIDIA's DGX H200: 112 cores for 8 GPUs (data sheet)."""
GPUS_A_NODE = 8
NVLINK, NETWORK = 450e9, 50e9
"""Bytes a second that a GPU sends within a node, and through its own 400 Gb/s port (data sheet)."""
LATENCY = 10e-6
"""Seconds of a message; assumed."""
BUCKET = 25 * 2**20
"""Bytes of gradients that torch averages at once, as soon as they are there (its default)."""
WEIGHTS = 16
"""Bytes that processes send before each step: clips, their weights, and who was asked to stop."""
KEPT = 6.14
"""Clips from kept frames, to those from files (docs/big-data.md, `data_reading.py`)."""
MANY = ("amflow", "aim", "full")
LARGE = ("vit_giant_patch14_dinov2", "vit_gigantic_patch14_clip_224", "vit_7b_patch16_dinov3")


@dataclass(frozen=True)
class Work:
    """Of one clip: operations (two a multiply-add); and of a step: bytes of gradients."""

    forward: int
    backward: int
    gradients: int

    @property
    def operations(self) -> int:
        """Of both directions."""
        return self.forward + self.backward


def work_of_a_step(name: str) -> Work:
    """A method on ViT-B/16, 8 frames of 224 pixels, 400 classes."""
    cls = METHODS[name]
    method: Method = getattr(cls, cls.starting_preset)() if cls.starting_preset else cls()
    model = without_weights("vit_base_patch16_224", method, num_frames=8, num_classes=400).train()
    counter = FlopCounterMode(display=False)
    with counter:
        logits = model(torch.empty(1, 8, 3, 224, 224, device="meta"))
        forward = counter.get_total_flops()
        logits.sum().backward()
    gradients = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return Work(forward, counter.get_total_flops() - forward, gradients)


def one_gpu(name: str, work: Work, options: Namespace) -> dict[str, object]:
    """A row: what one GPU would take, and many if nothing held them up."""
    clips = options.share * PEAK_FLOPS["H200"] / work.operations
    hours = options.epochs * CLIPS / clips / 3600
    return {
        "method": name,
        "TFLOP a clip": work.operations / 1e12,
        "clips/s, 1 GPU": clips,
        "hours, 1 GPU": hours,
        "hours, 8": hours / 8,
        "hours, 64": hours / 64,
        "MB of gradients a step": work.gradients / 1e6,
    }


def exchange(num_bytes: int, gpus: int) -> float:
    """Seconds to average so many bytes over a ring of GPUs.

    Each sends 2 (n - 1) / n of them in 2 (n - 1) messages, one after the other (Patarasuk and Yuan,
    "Bandwidth optimal all-reduce algorithms", 2009). The slowest link holds up the ring.
    """
    speed = NVLINK if gpus <= GPUS_A_NODE else NETWORK
    return 2 * (gpus - 1) * (num_bytes / gpus / speed + LATENCY)


def waited_for(work: Work, gpus: int, *, backward: float) -> float:
    """Seconds of exchange that the backward does not hide: the weights are told before it, the last
    bucket has nothing left to hide behind, and the others no more than the backward."""
    *early, last = [BUCKET] * (work.gradients // BUCKET) + [work.gradients % BUCKET]
    hidden = sum(exchange(bucket, gpus) for bucket in early)
    return exchange(WEIGHTS, gpus) + exchange(last, gpus) + max(0.0, hidden - backward)


def many_gpus(name: str, work: Work, options: Namespace) -> Iterator[dict[str, object]]:
    """A row for each number of GPUs: hours an epoch, from files and from kept frames; the part that
    is left of what as many GPUs would do if nothing held them up; and what holds them up."""
    flops = options.share * PEAK_FLOPS["H200"]
    computing = CLIPS_A_GPU * work.operations / flops
    decoding = CLIPS_A_GPU / (CORES_A_GPU * clips_of_a_core())
    for gpus in (8,) if options.quick else (8, 16, 32, 64, 128, 256):
        exposed = waited_for(work, gpus, backward=CLIPS_A_GPU * work.backward / flops)
        row: dict[str, object] = {
            "method": name,
            "GPUs": gpus,
            "computing, ms": 1e3 * computing,
            "exchange waited for, ms": 1e3 * exposed,
        }
        steps = -(-CLIPS // (CLIPS_A_GPU * gpus))
        for source, feeding in {"files": decoding, "kept frames": decoding / KEPT}.items():
            parts = {"computing": computing, "decoding": feeding, "exchange": exposed}
            seconds = steps * (max(computing, feeding) + exposed)
            row |= {
                f"{source}: hours an epoch": seconds / 3600,
                f"{source}: efficiency": CLIPS * work.operations / flops / gpus / seconds,
                f"{source}: what binds": max(parts, key=parts.__getitem__),
            }
        yield row


def clips_of_a_core() -> float:
    """Clips a second that one core makes of files like those of Kinetics-400, as measured."""
    told = json.loads((RESULTS / "input_loader-cpu.json").read_text(encoding="utf-8"))
    return next(
        row["of a core"]
        for row in told["rows"]
        if row["file"].startswith("340x256") and row["frames"] == 8 and row["workers"] == 1
    )


def of_a_rank(model: VideoClassifier, ranks: int, *, itemsize: int = 4) -> int:
    """Bytes of frozen weights that the fullest of so many processes holds, where the blocks' are
    divided: of each tensor its share of the rows, and all of what stands outside the blocks."""
    own = model.adapter_tensors().keys()
    held = 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            is_divided = name.startswith("trunk.blocks.") and name not in own
            rows = len(parameter) if parameter.ndim else 1
            part = -(-rows // ranks) if is_divided else rows
            held += parameter.numel() // rows * part * itemsize
    return held


def divided(backbone: str, options: Namespace) -> Iterator[dict[str, object]]:
    """A row for each number of processes that share an image model's frozen weights."""
    model = without_weights(backbone, AdaptFormer(), num_frames=8, num_classes=400)
    whole, blocks = of_a_rank(model, 1), len(model.trunk.blocks)
    gathered = sum(p.nbytes for p in model.trunk.parameters() if not p.requires_grad)
    for ranks in (2,) if options.quick else (1, 2, 4, 8, 16, 32, 64):
        running = 2 * gathered / blocks if ranks > 1 else 0  # one runs while the next one comes
        yield {
            "image model": backbone,
            "million frozen": whole / 4e6,
            "processes": ranks,
            "GB each, float32": of_a_rank(model, ranks) / 1e9,
            "GB each, bfloat16": of_a_rank(model, ranks, itemsize=2) / 1e9,
            "GB more as two blocks run": running / 1e9,
            "GB gathered a step": 2 * gathered * (ranks - 1) / ranks / 1e9,
        }


def assumed(options: Namespace) -> str:
    """What the table of many GPUs rests on."""
    decoding = CLIPS_A_GPU / (CORES_A_GPU * clips_of_a_core())
    return (
        f"Arithmetic: {CLIPS:,} clips of 8 frames an epoch, {CLIPS_A_GPU} a GPU and step; H200s "
        f"that reach {of_peak(options)}; {CORES_A_GPU} cores a GPU that decode "
        f"{clips_of_a_core():.3g} clips a second each, a step in {1e3 * decoding:.0f} ms, and from "
        f"kept frames {KEPT} times as fast (both measured, on other cores); rings of "
        f"{NVLINK / 1e9:.0f} GB/s in nodes of {GPUS_A_NODE} GPUs and of {NETWORK / 1e9:.0f} GB/s a "
        f"GPU between them, "
        f"{LATENCY * 1e6:.0f} microseconds a message."
    )


def of_peak(options: Namespace) -> str:
    """The speed that is assumed of a GPU."""
    return f"{options.share:.0%} of {PEAK_FLOPS['H200'] / 1e12:.0f} TFLOP/s in bfloat16"


def main(given: Sequence[str] | None = None) -> None:
    """Count, divide, print, write."""
    parser = arguments(__doc__)
    parser.add_argument("--share", type=float, default=0.4, help="of its peak, that a step reaches")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(given)
    names = ["linear_probe"] if options.quick else list(METHODS)
    works = {name: work_of_a_step(name) for name in names}
    note = (
        f"Arithmetic, not a measurement: {options.epochs} epochs of {CLIPS:,} clips of 8 frames on "
        f"H200s that reach {of_peak(options)}; exchange and input keep up."
    )
    rows = [one_gpu(name, work, options) for name, work in works.items()]
    report("estimate", rows, notes=[note], counted=True, out=options.out)
    chosen = names if options.quick else MANY
    rows = [row for name in chosen for row in many_gpus(name, works[name], options)]
    report("estimate-gpus", rows, notes=[assumed(options)], counted=True, out=options.out)
    large = ["vit_base_patch16_224"] if options.quick else LARGE
    rows = [row for backbone in large for row in divided(backbone, options)]
    note = (
        "Arithmetic. AdaptFormer; a step gathers each block for the forward and the backward, "
        "and what a process gathers is what it receives of the others."
    )
    report("estimate-divided", rows, notes=[note], counted=True, out=options.out)


if __name__ == "__main__":
    main()
