"""What the epochs of a run share, made ready on the device."""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import signature

import torch
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderShard
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stillmotion.data.dataset import Batch
from stillmotion.data.mixing import mix
from stillmotion.dealing import deal
from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.processes import join
from stillmotion.recipe import Recipe
from stillmotion.settings import Training
from stillmotion.shapes import Clip, FrameFeatures, Labels, SoftLabels
from stillmotion.training.cached import FrameProbe, freeze_clips
from stillmotion.training.compiling import CompiledStep, refuse_uncompilable
from stillmotion.training.data import Loaders, make_loaders
from stillmotion.training.log import RunLog
from stillmotion.training.optimisation import (
    Objective,
    build_optimizer,
    class_weights,
    warm_cosine,
)
from stillmotion.training.plan import plan, try_step
from stillmotion.training.sharding import divide, prepare_objective
from stillmotion.training.splits import Splits


def start(options: Training) -> Accelerator:
    """The processes and devices of this run, and their precision."""
    precision: str = options.precision
    if precision == "auto":
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        precision = "bf16" if fast else "fp32"
    if precision == "fp16" and not torch.cuda.is_available():
        raise ConfigurationError("training.precision=fp16 needs a GPU; here: auto, fp32 or bf16")
    AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
    return join(
        mixed_precision="no" if precision == "fp32" else precision,
        gradient_accumulation_steps=options.accumulate,
    )


@dataclass(frozen=True)
class Session:
    """What the epochs of a run share."""

    recipe: Recipe
    model: VideoClassifier
    learner: VideoClassifier | FrameProbe
    """What answers to the batches: the model, or all of it that follows cached features."""
    splits: Splits
    loaders: Loaders
    accelerator: Accelerator
    objective: Objective
    step: nn.Module
    """The objective, as the accelerator wrapped it."""
    batches: DataLoaderShard
    """What this process trains on of each batch."""
    val_batches: Iterable[Batch] | None
    optimizer: AcceleratedOptimizer
    schedule: LambdaLR
    steps: int
    """Of the optimizer, in all epochs."""

    def mix(
        self, clip: Clip | FrameFeatures, label: Labels
    ) -> tuple[Clip | FrameFeatures, Labels | SoftLabels]:
        """A training batch as the recipe wants it mixed."""
        classes = len(self.splits.train.classes)
        return mix(clip, label, augmentation=self.recipe.augmentation, num_classes=classes)


def prepare(
    recipe: Recipe, model: VideoClassifier, splits: Splits, accelerator: Accelerator, log: RunLog
) -> Session:
    """Loaders, objective, optimizer and schedule; says what will be trained."""
    options = recipe.training
    if options.compile:
        refuse_uncompilable(
            model,
            batch_size=options.batch_size,
            num_clips=len(splits.train) * recipe.augmentation.repeats,
            device=accelerator.device,
        )
    if options.shard_backbone:
        log.say(divide(model, options, accelerator))
    loaders = load(recipe, model, splits, accelerator, log)
    model.trunk.checkpoint_blocks = options.checkpoint_blocks
    learner = FrameProbe(model) if options.cache_clips else model
    weights = class_weights(splits.train, options.class_weights)
    objective = Objective(learner, label_smoothing=options.label_smoothing, class_weights=weights)
    objective.to(accelerator.device)
    whole: Objective | CompiledStep = objective
    if options.compile:
        whole = compiled(objective, num_clips=options.batch_size, log=log)
    batches = deal(loaders.train, accelerator)
    val_batches = None if loaders.val is None else deal(loaders.val, accelerator)
    trial = try_step(recipe, whole, loaders, accelerator)
    log.say(plan(recipe, model, splits, loaders, accelerator, batches=len(batches), trial=trial))
    plain = build_optimizer(model, options, processes=accelerator.num_processes)
    step, optimizer = share_gradients(whole, plain, accelerator, idle=trial.idle)
    steps = options.epochs * -(-len(batches) // options.accumulate)
    schedule = warm_cosine(plain, steps=steps, warmup=options.warmup, start=options.warmup_start)
    return Session(
        recipe=recipe,
        model=model,
        learner=learner,
        splits=splits,
        loaders=loaders,
        accelerator=accelerator,
        objective=objective,
        step=step,
        batches=batches,
        val_batches=val_batches,
        optimizer=optimizer,
        schedule=schedule,
        steps=steps,
    )


def share_gradients(
    objective: Objective | CompiledStep, plain: Optimizer, accelerator: Accelerator, *, idle: int
) -> tuple[nn.Module, AcceleratedOptimizer]:
    """Step and optimizer of one process among several, which exchange gradients and nothing else.

    Args:
        idle: how many trained tensors get no gradient, for which nobody then waits.
    """
    accelerator.ddp_handler = GradientsAlone(find_unused_parameters=idle > 0)
    return prepare_objective(objective, accelerator), accelerator.prepare(plain)


def compiled(objective: Objective, *, num_clips: int, log: RunLog) -> CompiledStep:
    """The objective as one graph for full batches."""
    log.say("compiling the step: this can take minutes, and is quick the next time")
    return CompiledStep(objective, num_clips=num_clips)


class GradientsAlone(DistributedDataParallelKwargs):
    """What `DistributedDataParallel` is told: nobody sends buffers. They never change, or in all
    processes alike (`stillmotion.nn.feature_norm`)."""

    def to_kwargs(self) -> dict[str, bool]:
        """Newer versions of torch have a name for it that accelerate 1.15 does not know."""
        known = signature(DistributedDataParallel).parameters
        newer = "forward_sync_buffers" in known
        name = "forward_sync_buffers" if newer else "broadcast_buffers"
        return {name: False, "find_unused_parameters": self.find_unused_parameters}


def load(
    recipe: Recipe, model: VideoClassifier, splits: Splits, accelerator: Accelerator, log: RunLog
) -> Loaders:
    """Loaders of clips, or of their features where the recipe has these computed once."""
    with log.counting("decoding") as on_progress:
        size = model.backbone.image_size[0]
        loaders = make_loaders(recipe, splits, image_size=size, on_progress=on_progress)
    if recipe.training.cache_clips == 0:
        return loaders
    with log.counting("frozen features") as on_progress:
        return freeze_clips(
            recipe, model, splits, loaders, accelerator=accelerator, on_progress=on_progress
        )
