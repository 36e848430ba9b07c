"""Training steps of every method on one image model, with those that they are compared with."""

import copy
from collections.abc import Callable, Iterator
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
from harness import PARALLEL
from stillmotion.methods import METHODS, AMFlow, Method
from stillmotion.model import VideoClassifier, adapt
from stillmotion.settings import Training
from stillmotion.training.compiling import CompiledStep
from stillmotion.training.optimisation import Objective, build_optimizer

FRAMES, CLASSES = 8, 400
IMAGE_MODEL, AUTHORS = "image model alone", "aim, authors' block"
CHECKPOINTED, COMPILED = "aim, blocks checkpointed", ", compiled"
TO_COMPILE = (IMAGE_MODEL, "aim", AUTHORS, "adaptformer", "amflow.parallel", "amflow.small")
LEFT_OUT = ("attentive_probe", "temporal_probe")
"""Probes: their step is that of linear_probe."""


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
    """The methods with their defaults, AM Flow in four blocks, AIM with its authors' block, too."""
    methods: dict[str, Method] = {
        name: method() for name, method in METHODS.items() if name not in (*LEFT_OUT, "amflow")
    }
    methods |= {"amflow.parallel": PARALLEL, "amflow.small": AMFlow.small()}
    for name, method in methods.items():
        model = adapt(image_model, method, num_classes=CLASSES, num_frames=FRAMES)
        forms = {name: model}
        if name == "aim":
            forms |= {AUTHORS: with_authors_block(model), CHECKPOINTED: copy.deepcopy(model)}
            forms[CHECKPOINTED].trunk.checkpoint_blocks = True
        yield from forms.items()
