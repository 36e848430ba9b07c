"""Before the first step: what will be trained, how long it may take, and what it needs."""

import sys
import time
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from rich.table import Table

from stillmotion.model import VideoClassifier
from stillmotion.recipe import Recipe
from stillmotion.settings import Training
from stillmotion.training.compiling import CompiledStep
from stillmotion.training.data import Loaders
from stillmotion.training.optimisation import Objective
from stillmotion.training.splits import Splits


def plan(
    recipe: Recipe,
    model: VideoClassifier,
    splits: Splits,
    loaders: Loaders,
    accelerator: Accelerator,
    *,
    batches: int,
    trial: "Trial",
) -> Table:
    """Draw one clip, and say what the run will take.

    Args:
        batches: of an epoch.
    """
    decode = time_of_clip(loaders, recipe)
    training, processes = recipe.training, accelerator.num_processes
    slowest = max(trial.seconds, decode * training.batch_size)
    seconds = training.epochs * batches * slowest
    together = f"{processes} x " if processes > 1 else ""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    scored, name = splits.scored
    precision = {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    table = Table(title=f"{recipe.method.name} on {recipe.backbone}", show_header=False)
    rows = {
        "videos": f"{len(splits.train)} to train, {len(splits.val or ())} to validate, "
        f"{len(scored)} to score ({name}); {len(model.class_names)} classes",
        "clips": f"{recipe.sampling.num_frames} frames of "
        f"{' x '.join(map(str, model.backbone.image_size))} pixels, {recipe.sampling.kind}",
        "trains": f"{trained:,} of {total:,} parameters ({trained / total:.1%})",
        "steps": f"{training.epochs} epochs of {batches} batches of {together}"
        f"{training.batch_size} clips",
        "device": f"{processes} x {accelerator.device}, {precision}",
        "time": f"about {duration(seconds)} ({trial.seconds:.2f} s a batch, {decode:.3f} s a clip "
        "decoded)",
        "memory": f"about {(peak_memory(accelerator.device) + 8 * trained) / 2**30:.1f} GiB (a "
        "trial step, and the optimizer's state)",
    }
    for row in (rows | particulars(recipe, loaders)).items():
        table.add_row(*row)
    return table


def particulars(recipe: Recipe, loaders: Loaders) -> dict[str, str]:
    """What is said of some runs only."""
    rows: dict[str, str] = {}
    if recipe.training.checkpoint_blocks:
        rows["blocks"] = "checkpointed: less memory, more time"
    if recipe.training.compile:
        rows["compiled"] = f"batches of {recipe.training.batch_size} clips"
    if recipe.augmentation.flip:
        rows["mirror"] = f"{recipe.augmentation.flip:.0%} of clips: {loaders.mirror.line()}"
    if recipe.training.learning_rate == Training.learning_rate and recipe.method.name != "amflow":
        rows["settings"] = f"of AM Flow's training; {recipe.method.name}'s own: stillmotion recipes"
    if loaders.feature_bytes:
        rows["features"] = (
            f"{loaders.feature_bytes / 1e6:.1f} MB, computed once: "
            f"{recipe.training.cache_clips} x the training clips, 1 x the validation clips"
        )
    return rows


@dataclass(frozen=True)
class Trial:
    """What was learned of a step by trying it."""

    seconds: float
    """Of the forward and backward of one process's batch."""
    idle: int
    """Trained tensors that nothing of the loss depends on."""


def try_step(
    recipe: Recipe,
    objective: Objective | CompiledStep,
    loaders: Loaders,
    accelerator: Accelerator,
) -> Trial:
    """A forward and backward on random clips, which leave nothing; the second of two tries."""
    batch = recipe.training.batch_size
    clip = torch.rand(batch, *loaders.clip_shape, device=accelerator.device)
    label = torch.zeros(batch, dtype=torch.long, device=accelerator.device)
    objective.train()
    buffers = [buffer.clone() for buffer in objective.buffers()]
    seconds, idle = 0.0, 0
    for _ in range(2):
        started = time.perf_counter()
        with accelerator.autocast():
            loss, _ = objective(clip, label)
        loss.backward()
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        idle = sum(p.requires_grad and p.grad is None for p in objective.parameters())
        objective.zero_grad(set_to_none=True)
    for buffer, before in zip(objective.buffers(), buffers, strict=True):
        buffer.copy_(before)
    return Trial(seconds, idle)


def time_of_clip(loaders: Loaders, recipe: Recipe) -> float:
    """Seconds of one clip from file to pixels, shared among the workers."""
    started = time.perf_counter()
    loaders.train.dataset[0]
    return (time.perf_counter() - started) / max(1, recipe.videos.workers)


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU where there is one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def duration(seconds: float) -> str:
    """`41 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
