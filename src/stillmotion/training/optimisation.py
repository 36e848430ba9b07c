"""The optimizer, its schedule, and what is minimised."""

import math
from collections import Counter
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from stillmotion.data.annotations import VideoList
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Training
from stillmotion.shapes import Clip, Labels, Logits


class Objective(nn.Module):
    """A model and what it is trained for, as one module: clip and labels in, loss and logits out.

    One module, so that what wraps it for several devices sees the whole step.
    """

    class_weights: Float[Tensor, " K"] | None

    def __init__(
        self,
        model: VideoClassifier,
        *,
        label_smoothing: float = 0.0,
        class_weights: Float[Tensor, " K"] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.label_smoothing = model, label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, clip: Clip, label: Labels) -> tuple[Float[Tensor, ""], Logits]:
        branches = self.model.branch_logits(clip)
        logits = self.model.head.vote(branches)
        criterion = partial(
            F.cross_entropy,
            target=label,
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
        )
        return self.model.method.objective(branches, logits, criterion), logits


def balanced_weights(videos: VideoList) -> Float[Tensor, " K"]:
    """n / (K n_c) for each class c; 0 for a class without videos, which no loss ever asks for."""
    count = Counter(sample.label for sample in videos.samples)
    n, classes = len(videos), len(videos.classes)
    return torch.tensor([n / (classes * count[c]) if count[c] else 0.0 for c in range(classes)])


def peak_rate(training: Training, *, processes: int) -> float:
    """The learning rate for all the clips of one step."""
    times = training.batch_size * training.accumulate * processes / training.reference_batch
    match training.scaling:
        case "sqrt":
            return training.learning_rate * math.sqrt(times)
        case "linear":
            return training.learning_rate * times
        case "none":
            return training.learning_rate


def build_optimizer(model: nn.Module, training: Training, *, processes: int) -> AdamW:
    """AdamW over what trains, in one fused kernel; matrices decay, vectors and scalars do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    return AdamW(groups, lr=peak_rate(training, processes=processes), fused=True)


def warm_cosine(optimizer: AdamW, *, steps: int, warmup: float) -> LambdaLR:
    """A linear rise over ``warmup`` of the steps, then half a cosine to 0."""
    rise = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        progress = (step - rise) / max(1, steps - rise)
        return (1 + math.cos(math.pi * min(1.0, progress))) / 2

    return LambdaLR(optimizer, factor)
