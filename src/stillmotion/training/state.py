"""Where a run stands, in one file: enough to go on as if it had never stopped.

A state is written after each epoch, and inside epochs every `Training.save_every` batches. Every
epoch seeds its own randomness from the run's seed and its number, so that between epochs no
generator has to be stored; inside an epoch a `Position` holds them. A resumed run repeats what the
stopped one would have done.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stillmotion.checkpoint_files import refuse_misfits
from stillmotion.errors import CheckpointError, ConfigurationError
from stillmotion.fields import allows
from stillmotion.files import refuse_vanished, write_bytes
from stillmotion.given_files import from_json, refuse_endless
from stillmotion.model import VideoClassifier
from stillmotion.recipe import Recipe
from stillmotion.training.position import Position

FILE = "training_state.safetensors"


@dataclass
class Progress:
    """What a run has done so far."""

    epoch: int = 0
    """Epochs finished."""
    best_epoch: int = -1
    """The epoch, from 0, of the best checkpoint; -1: none yet."""
    best_score: float = -math.inf
    seconds: float = 0.0
    """Spent training and validating, in all sessions."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of metrics an epoch."""

    def record(self, row: dict[str, float], *, best: Literal["loss", "top1", "mean_class"]) -> bool:
        """Finish an epoch; whether it is the best so far (the later of equals).

        Without validation every epoch is better than the one before.
        """
        score = row["epoch"]
        if "val_loss" in row:
            score = -row["val_loss"] if best == "loss" else row[f"val_{best}"]
        self.history.append(row)
        is_best = score >= self.best_score
        if is_best:
            self.best_epoch, self.best_score = self.epoch, score
        self.epoch += 1
        return is_best

    def is_possible(self) -> bool:
        """Whether every value is of its kind, and there is a row for every epoch."""
        counts = allows(int, self.epoch) and allows(int, self.best_epoch)
        sums = allows(float, self.seconds) and isinstance(self.best_score, float)
        rows = isinstance(self.history, list) and all(isinstance(r, dict) for r in self.history)
        return counts and sums and rows and len(self.history) == self.epoch

    def is_stalled(self, patience: int) -> bool:
        """Whether the last ``patience`` epochs brought nothing better."""
        return patience > 0 and self.epoch - 1 - self.best_epoch >= patience


def save_state(
    path: Path,
    progress: Progress,
    *,
    recipe: dict[str, Any],
    videos: str,
    model: VideoClassifier,
    optimizer: Optimizer,
    schedule: LambdaLR,
    of_steps: int,
    positions: Sequence[Position] = (),
) -> None:
    """Write all of a run's state as one file, whole or not at all.

    Args:
        of_steps: how many the optimizer takes in the whole run.
        positions: of each process inside the epoch; none between two epochs.

    Raises:
        StorageError: where it cannot be written.
    """
    refuse_vanished(path.parent)
    tensors = {f"model.{name}": t for name, t in model.adapter_tensors().items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": t for key, t in values.items()}
    parts = [position.to_parts(f"position.{n}") for n, position in enumerate(positions)]
    for _, own in parts:
        tensors |= own
    told = {
        "progress": asdict(progress),
        "recipe": recipe,
        "videos": videos,
        "weights": model.backbone.sha256,
        "steps": {"done": schedule.last_epoch, "of": of_steps},
        "positions": [told for told, _ in parts],
        "scaler": scaler.state_dict() if (scaler := getattr(optimizer, "scaler", None)) else None,
    }
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_bytes(path, to_bytes(whole, metadata={"stillmotion": json.dumps(told)}))


@dataclass
class SavedState:
    """A state as it was read."""

    path: Path
    progress: Progress
    recipe: dict[str, Any]
    videos: str
    """The fingerprint of the videos it was trained and validated on."""
    weights: str | None
    """The hash of the image model's weights that it began with."""
    steps: int
    """That the optimizer has taken."""
    of_steps: int
    """In the whole run, over as many processes."""
    scaler: dict[str, Any] | None
    tensors: dict[str, Tensor]
    positions: list[Position]
    """Of each process inside an epoch; none between two epochs."""

    def restore(
        self, model: VideoClassifier, optimizer: Optimizer, schedule: LambdaLR, *, of_steps: int
    ) -> None:
        """Put everything back where it was.

        Args:
            of_steps: how many the optimizer takes in the whole run. Over another number of
                processes they are others: the schedule goes on at the same part of them.

        Raises:
            CheckpointError: the state is not of such a run.
        """
        try:
            self._restore(model, optimizer, schedule, done=self.steps * of_steps // self.of_steps)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"the saved state does not fit this run: {error}") from error

    def _restore(
        self, model: VideoClassifier, optimizer: Optimizer, schedule: LambdaLR, *, done: int
    ) -> None:
        weights, own = self.named("model."), model.adapter_tensors()
        refuse_misfits(self.path, weights, own)
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in self.named("optimizer.").items():
            number, key = name.split(".")
            state[int(number)][key] = tensor
        refuse_misfits(self.path, self.named("optimizer."), kept_by(optimizer, state))
        with torch.no_grad():
            for name, tensor in weights.items():
                own[name].copy_(tensor)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        begun = {"last_epoch": done - 1, "_step_count": done + 1}
        schedule.load_state_dict(schedule.state_dict() | begun)
        schedule.step()
        if (scaler := getattr(optimizer, "scaler", None)) and self.scaler:
            scaler.load_state_dict(self.scaler)

    def named(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without it."""
        found = {k: t for k, t in self.tensors.items() if k.startswith(prefix)}
        return {k.removeprefix(prefix): t for k, t in found.items()}


def kept_by(optimizer: Optimizer, numbers: Iterable[int]) -> dict[str, Tensor]:
    """The tensors that AdamW or SGD keeps of the parameters with these numbers; of others, which
    never had a gradient, it keeps none."""
    keys = (
        ("exp_avg", "exp_avg_sq", "step") if "betas" in optimizer.defaults else ("momentum_buffer",)
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    one = torch.zeros(())
    return {
        f"{number}.{key}": one if key == "step" else parameters[number]
        for number in numbers
        for key in keys
    }


def read_state(path: Path) -> SavedState:
    """Read a run's state.

    Raises:
        CheckpointError: where it is missing or damaged.
    """
    try:
        refuse_endless(path)
        with safe_open(path, framework="pt") as file:
            told = from_json(file.metadata()["stillmotion"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        progress = Progress(**told["progress"])
        steps, of_steps = told["steps"]["done"], told["steps"]["of"]
        if not (progress.is_possible() and allows(int, steps) and allows(int, of_steps)):
            raise ValueError("it counts what cannot be")
        return SavedState(
            path=path,
            progress=progress,
            recipe=told["recipe"],
            videos=told["videos"],
            weights=told["weights"],
            steps=steps,
            of_steps=of_steps,
            scaler=told["scaler"],
            tensors=tensors,
            positions=[
                Position.from_parts(f"position.{number}", position, tensors)
                for number, position in enumerate(told["positions"])
            ],
        )
    # What is missing or of another kind fails in whatever way Python has.
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"cannot resume from {path}: {error}") from error


def earlier(out: Path, recipe: Recipe, *, resume: bool) -> SavedState | None:
    """The state to go on from; None to begin.

    Raises:
        ConfigurationError: where the directory holds a run that was not to be resumed, or one with
            other settings.
        CheckpointError: where there is nothing to resume, or it is damaged.
    """
    if not resume:
        if (out / FILE).exists():
            raise ConfigurationError(
                f"{out} holds a run already: go on with it (--resume), or choose another --out"
            )
        if out.is_dir() and any(out.iterdir()) and not (out / "recipe.yaml").exists():
            raise ConfigurationError(f"{out} holds files that are no run's: choose another --out")
        return None
    if not (out / FILE).exists():
        if (out / "recipe.yaml").exists():
            return None  # stopped within its first epoch
        raise CheckpointError(f"there is no run to resume in {out}")
    saved = read_state(out / FILE)
    new = recipe.to_dict()
    changed = sorted(k for k in new if k != "out" and new[k] != saved.recipe.get(k))
    if changed:
        raise ConfigurationError(
            f"{out} was trained with other settings of {', '.join(changed)}; its own are in "
            "recipe.yaml: resume without changing them"
        )
    return saved


def same_videos(saved: SavedState | None, fingerprint: str) -> None:
    """Refuse to go on with other videos than the run began with.

    Raises:
        ConfigurationError: where they have changed.
    """
    if saved is not None and saved.videos != fingerprint:
        raise ConfigurationError(
            "the videos, their labels or their splits are not those that this run began with: put "
            "them back, or begin anew with another --out"
        )


def same_weights(saved: SavedState | None, sha256: str | None) -> None:
    """Refuse to go on with another image model than the run began with.

    Raises:
        ConfigurationError: where its weights have changed.
    """
    if saved is not None and saved.weights != sha256:
        raise ConfigurationError(
            f"the image model's weights are not those that this run began with (SHA-256 {sha256}, "
            f"not {saved.weights}): put them back, or begin anew with another --out"
        )
