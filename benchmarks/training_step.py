"""Seconds, bytes and products of one training step of every method, beside the frozen image model.

    python benchmarks/training_step.py                  ViT-B/16, one clip of 8 frames, float32
    python benchmarks/training_step.py --device cuda    ViT-B and ViT-L, eight clips, bfloat16

A step is forward, backward, the fused optimizer and forgetting the gradients; seconds are those of
the fastest round. Beside the methods stand the image model alone, frame by frame, with gradients
back to its pixels; AIM with its authors' block in the place of ours (explicit softmax attention,
rearranged copies, the same weights and, which is checked, the same logits); and AIM that keeps
nothing inside its blocks and computes it again.

FLOPs are 2 x the multiply-adds of the matrix products of a step, counted by torch's flop counter:
the forward, gradients for inputs as far back as something trains, and gradients for the weights
that train. Frozen weights need none. Utilisation is FLOPs / (seconds x the device's dense bfloat16
peak). "Of the image model's" is FLOPs a second over those of the image model alone.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from authors_aim import with_authors_block
from harness import Target, arguments, peak_bytes, report, take_turns
from stillmotion.methods import METHODS, AMFlow, Method
from stillmotion.model import VideoClassifier, adapt
from stillmotion.settings import Training
from stillmotion.training.compiling import CompiledStep
from stillmotion.training.optimisation import Objective, build_optimizer

FRAMES, CLASSES = 8, 400
IMAGE_MODEL, AUTHORS = "image model alone", "aim, authors' block"
CHECKPOINTED, COMPILED = "aim, blocks checkpointed", ", compiled"
TO_COMPILE = (IMAGE_MODEL, "aim", AUTHORS, "adaptformer", "amflow.small")
LEFT_OUT = ("attentive_probe", "temporal_probe")
"""Probes: their step is that of linear_probe."""
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 products a second, from NVIDIA's data sheets (SXM)."""


@dataclass(frozen=True)
class Work:
    """What is measured: an image model by timm's name, clips, and how they are computed."""

    backbone: str
    device: str
    batch: int
    compiled: bool
    image_size: int = 224
    depth: int | None = None
    """Blocks; None: all that the image model has."""


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
    turns = take_turns(steps, rounds=rounds, warmup=0, device=work.device)
    seconds = {name: min(of_rounds) for name, of_rounds in turns.items()}
    flops = {name: step.flops() for name, step in steps.items()}
    rate = {name: flops[name] / seconds[name] for name in steps}
    of_image_model = {name: rate[name] / rate[image_model_beside(name)] for name in steps}
    peak = peak_flops(work.device)
    rows: list[dict[str, object]] = [
        {
            "method": name,
            "seconds": seconds[name],
            "times the image model's": seconds[name] / seconds[image_model_beside(name)],
            "peak MB": memory[name] / 1e6,
            "GFLOPs": flops[name] / 1e9,
            "GFLOPs a second, of the image model's": of_image_model[name],
            "utilisation": rate[name] / peak if peak else None,
        }
        for name in steps
    ]
    return rows, targets(work, seconds, memory, of_image_model)


def image_model_beside(name: str) -> str:
    """The run of the image model that a run is compared with: compiled where this is."""
    return IMAGE_MODEL + (COMPILED if name.endswith(COMPILED) else "")


def targets(
    work: Work,
    seconds: dict[str, float],
    memory: dict[str, int],
    of_image_model: dict[str, float],
) -> list[Target]:
    """What issue 5 asks for, at ViT-B/16."""
    small, aim = seconds["amflow.small"], seconds["aim"]
    over_authors = memory_of_aim = lowest = None
    if work.device == "cuda":
        memory_of_aim = memory["aim"] / memory[AUTHORS]
        lowest = min(rate for name, rate in of_image_model.items() if AUTHORS not in name)
        if work.compiled:
            over_authors = seconds["aim" + COMPILED] / seconds[AUTHORS + COMPILED]
    return [
        Target("AM Flow small's step over AdaptFormer's", 1.35, small / seconds["adaptformer"]),
        Target("AIM's step over that of its authors' block", 1.0, aim / seconds[AUTHORS]),
        Target("GPU, both compiled: AIM's step over its authors' block's", 1 / 1.3, over_authors),
        Target("GPU: AIM's peak memory over its authors' block's", 0.8, memory_of_aim),
        Target("GPU: lowest utilisation of the image model's", 0.85, lowest, better="higher"),
    ]


def peak_flops(device: str) -> float | None:
    """The peak of this GPU, where it is known."""
    if device == "cpu":
        return None
    name = torch.cuda.get_device_name()
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None)


class Step:
    """One step of training; ``run`` is the model, or computes what it does."""

    def __init__(self, run: Callable[..., Any], model: nn.Module, inputs: tuple[Tensor, ...]):
        self.run, self.model, self.inputs = run, model, inputs
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer: torch.optim.Optimizer | None = None
        if isinstance(model, Objective) and trained:
            self.optimizer = build_optimizer(model.model, Training(), processes=1)

    def __call__(self) -> None:
        """Forward, backward, optimizer."""
        self.backward()
        if self.optimizer is not None:
            self.optimizer.step()
        self.forget()

    def gradients(self) -> None:
        """The part that needs memory of its own."""
        self.backward()
        self.forget()

    def backward(self) -> None:
        """Forward and backward."""
        on_gpu = self.inputs[0].is_cuda
        with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
            loss = loss_of(self.run(*self.inputs))
        loss.backward()

    def forget(self) -> None:
        """Let go of all gradients."""
        self.model.zero_grad(set_to_none=True)
        for tensor in self.inputs:
            tensor.grad = None

    def flops(self) -> int:
        """Of forward and backward, on a copy without numbers."""
        model = copy.deepcopy(self.model).to("meta")
        inputs = [t.detach().to("meta").requires_grad_(t.requires_grad) for t in self.inputs]
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            loss_of(model(*inputs)).backward()
        return counter.get_total_flops()


def loss_of(result: Any) -> Tensor:
    """An objective returns it before the logits."""
    return result[0] if isinstance(result, tuple) else result


def all_steps(work: Work) -> Iterator[tuple[str, Step]]:
    """Every run by its name, on the same image model and the same clip."""
    torch.manual_seed(0)
    image_model = timm.create_model(
        work.backbone, num_classes=0, img_size=work.image_size, depth=work.depth
    )
    shape = (work.batch, FRAMES, 3, work.image_size, work.image_size)
    clip = torch.rand(shape, device=work.device)
    label = torch.zeros(work.batch, dtype=torch.long, device=work.device)
    bare = MeanFeature(copy.deepcopy(image_model)).requires_grad_(False).to(work.device)
    pixels = clip.flatten(0, 1).clone().requires_grad_()
    yield IMAGE_MODEL, Step(bare, bare, (pixels,))
    if work.compiled:
        compiled = torch.compile(bare, fullgraph=True, dynamic=False)
        yield IMAGE_MODEL + COMPILED, Step(compiled, bare, (pixels,))
    for name, model in video_models(image_model):
        objective = Objective(model).to(work.device).train()
        inputs = (clip, label)
        yield name, Step(objective, objective, inputs)
        if work.compiled and name in TO_COMPILE:
            step = CompiledStep(objective, num_clips=work.batch)
            yield name + COMPILED, Step(step, objective, inputs)


class MeanFeature(nn.Module):
    """The image model on a batch of frames, to one number."""

    def __init__(self, image_model: nn.Module) -> None:
        super().__init__()
        self.image_model = image_model

    def forward(self, frames: Float[Tensor, "F 3 height width"]) -> Float[Tensor, ""]:
        return self.image_model.forward_features(frames).mean()  # type: ignore[operator]


def video_models(image_model: nn.Module) -> Iterator[tuple[str, VideoClassifier]]:
    """The methods with their defaults, AM Flow as `small`, and AIM with its authors' block."""
    methods: dict[str, Method] = {
        name: method() for name, method in METHODS.items() if name not in (*LEFT_OUT, "amflow")
    }
    for name, method in {**methods, "amflow.small": AMFlow.small()}.items():
        model = adapt(image_model, method, num_classes=CLASSES, num_frames=FRAMES)
        forms = {name: model}
        if name == "aim":
            forms |= {AUTHORS: with_authors_block(model), CHECKPOINTED: copy.deepcopy(model)}
            forms[CHECKPOINTED].trunk.checkpoint_blocks = True
        yield from forms.items()


if __name__ == "__main__":
    main()
