"""The training step as one compiled graph.

On a CPU it brought nothing: 0.97 to 1.02 of the uncompiled step's time (medians of three methods),
after one to two minutes of compiling four blocks. On a GPU it has not been measured.
"""

import os
import shutil
import sys
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.errors import ConfigurationError
from stillmotion.shapes import Clip, FrameFeatures, Labels, Logits, SoftLabels
from stillmotion.training.optimisation import Objective


class CompiledStep(nn.Module):
    """An objective compiled for batches of one size; batches of another size run uncompiled.

    The last batch of an epoch, and one with unreadable videos, would each take a compilation of
    its own; and what a batch computes must not depend on which sizes came before it, since a
    resumed run has not seen them. There is one graph, without a break; the parameters keep their
    places and names. What is drawn at random inside (dropout, drop path) differs from an
    uncompiled run, and is the same in each compiled one.

    Args:
        objective: clip and labels in, loss and logits out.
        num_clips: B of the batches that run compiled.
        backend: torch's name of the compiler.
    """

    def __init__(self, objective: Objective, *, num_clips: int, backend: str = "inductor") -> None:
        super().__init__()
        self.objective, self.num_clips = objective, num_clips
        self.compiled = torch.compile(
            objective.forward, fullgraph=True, dynamic=False, backend=backend
        )

    def forward(
        self, clip: Clip | FrameFeatures, label: Labels | SoftLabels
    ) -> tuple[Float[Tensor, ""], Logits]:
        run = self.compiled if len(clip) == self.num_clips else self.objective
        return run(clip, label)


def refuse_uncompilable(
    model: nn.Module, *, batch_size: int, num_clips: int, device: torch.device
) -> None:
    """Refuse to compile where no batch would run compiled, or it cannot be compiled.

    Args:
        model: what is trained.
        batch_size: clips of the batches that run compiled.
        num_clips: training clips of an epoch.

    Raises:
        ConfigurationError: too few clips, a recurrent network, or what compiles is not installed.
    """
    if any(isinstance(module, nn.RNNBase) for module in model.modules()):
        raise ConfigurationError(
            "training.compile: torch compiles no LSTM; choose another temporal module "
            "(amflow.tpm=tcn or transformer), or do without training.compile"
        )
    if num_clips < batch_size:
        raise ConfigurationError(
            f"training.compile compiles batches of {batch_size} clips, and there are {num_clips} "
            "training clips: lower training.batch_size, or do without training.compile"
        )
    missing = missing_compiler(device)
    if missing is not None:
        raise ConfigurationError(
            f"training.compile needs {missing}; install it, or do without training.compile"
        )


def missing_compiler(device: torch.device) -> str | None:
    """What torch's compiler needs on this device and does not find; None where it has all."""
    if device.type == "cuda":
        return None if find_spec("triton") else "the package triton, which compiles for the GPU"
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    name = os.environ.get("CXX", usual)
    return None if shutil.which(name) else f"a C++ compiler on the CPU, and {name} is not found"
