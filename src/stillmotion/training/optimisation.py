"""The optimizer, its schedule, and what is minimised."""

import math
from collections import Counter, defaultdict
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stillmotion.backbones import NORMS
from stillmotion.data.annotations import VideoList
from stillmotion.model import VideoClassifier
from stillmotion.settings import Training
from stillmotion.shapes import Clip, FrameFeatures, Labels, Logits, SoftLabels
from stillmotion.training.cached import FrameProbe

MOMENTUM = 0.9
"""Of SGD."""
EFFECTIVE = 0.999
"""Of class weights by effective number: a class has at most 1000 videos that count."""


class Objective(nn.Module):
    """A model and what it is trained for, as one module: clip and labels in, loss and logits out.

    Labels are indices of classes, or shares of them where clips are mixed. Class weights then scale
    the loss of each share, and the mean is over clips; with indices it is over weights.

    One module, so that what wraps it for several devices sees the whole step. For a `FrameProbe` a
    clip is the features of its frames.
    """

    class_weights: Float[Tensor, " K"] | None

    def __init__(
        self,
        model: VideoClassifier | FrameProbe,
        *,
        label_smoothing: float = 0.0,
        class_weights: Float[Tensor, " K"] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.label_smoothing = model, label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(
        self, clip: Clip | FrameFeatures, label: Labels | SoftLabels
    ) -> tuple[Float[Tensor, ""], Logits]:
        branches = self.model.branches(clip)
        outputs = self.model.head.vote(branches)

        def criterion(outputs: Float[Tensor, "B outputs"]) -> Float[Tensor, ""]:
            return F.cross_entropy(
                self.model.combine(outputs),
                label,
                weight=self.class_weights,
                label_smoothing=self.label_smoothing,
            )

        loss = self.model.method.objective(branches, outputs, criterion)
        return loss, self.model.combine(outputs)

    def weight(self, label: Labels | SoftLabels) -> float:
        """Of what the loss is a mean: how many clips, or the sum of their classes' weights."""
        if self.class_weights is None or label.is_floating_point():
            return float(len(label))
        return float(self.class_weights[label].sum())


def class_weights(
    videos: VideoList, rule: Literal["none", "balanced", "effective"]
) -> Float[Tensor, " K"] | None:
    """How much each class counts; over all videos the mean weight is 1.

    balanced: w_c ~ 1 / n_c, for n_c videos of class c. effective: w_c ~ (1 - b) / (1 - b^n_c), the
    inverse of the effective number of videos (Cui et al., "Class-balanced loss", arXiv 1901.05555,
    equation 4), with b = 0.999. A class without videos has 0, which no loss ever asks for.
    """
    if rule == "none":
        return None
    count = Counter(sample.label for sample in videos.samples)
    n = torch.tensor([float(count[label]) for label in range(len(videos.classes))])
    number = n if rule == "balanced" else (1 - EFFECTIVE**n) / (1 - EFFECTIVE)
    weight = torch.where(n > 0, 1 / number.clamp(min=1e-12), 0.0)
    return weight * len(videos) / (weight * n).sum()


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


def build_optimizer(model: VideoClassifier, training: Training, *, processes: int) -> Optimizer:
    """AdamW or SGD over what trains, in one fused kernel: a group for each rate and decay."""
    peak, head = peak_rate(training, processes=processes), set(model.head.parameters())
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for parameter, may_decay in decaying(model, training.decay).items():
        rate = peak if parameter in head else peak * training.backbone_rate
        groups[rate, training.weight_decay if may_decay else 0.0].append(parameter)
    options = [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    if training.optimizer == "sgd":
        return SGD(options, lr=peak, momentum=MOMENTUM, fused=True)
    return AdamW(options, lr=peak, fused=True)


def decaying(
    model: nn.Module, rule: Literal["matrices", "no_norm", "no_bias", "all"]
) -> dict[nn.Parameter, bool]:
    """Every trained parameter, and whether the rule lets it decay."""
    trained = [
        (owner, name, parameter)
        for owner in model.modules()
        for name, parameter in owner.named_parameters(recurse=False)
        if parameter.requires_grad
    ]
    match rule:
        case "matrices":
            return {p: p.ndim >= 2 for _, _, p in trained}
        case "no_norm":
            return {p: not isinstance(owner, NORMS) for owner, _, p in trained}
        case "no_bias":
            return {p: name != "bias" for _, name, p in trained}
        case "all":
            return {p: True for _, _, p in trained}


def warm_cosine(optimizer: Optimizer, *, steps: int, warmup: float, start: float = 0.0) -> LambdaLR:
    """A linear rise from ``start`` over ``warmup`` of the steps, then half a cosine to 0."""
    rise = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rise:
            return start + (1 - start) * (step + 1) / rise
        progress = (step - rise) / max(1, steps - rise)
        return (1 + math.cos(math.pi * min(1.0, progress))) / 2

    return LambdaLR(optimizer, factor)
