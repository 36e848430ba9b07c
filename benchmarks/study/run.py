"""One run of the study: a row on a fold with a seed and a rate, to one JSON-able result."""

import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from rows import ROWS
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness import machine
from stillmotion.accounting import account
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation
from stillmotion.recipe import Recipe
from stillmotion.settings import Training, Videos, Views
from stillmotion.training import train

HERE = Path(__file__).parent
BUDGET: dict[str, Any] = yaml.safe_load((HERE / "budget.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Job:
    """What is run; two equal jobs are one."""

    data: str
    row: str
    fold: int
    seed: int
    rate: float
    search: bool = False
    """Whether it chooses a rate."""

    @property
    def stage(self) -> dict[str, Any]:
        """How long it trains, and with which videos."""
        row = ROWS[self.row]
        return BUDGET["stages"][row.searched if self.search else row.stage]


def recipe_of(job: Job, *, shared: Path, out: Path) -> Recipe:
    """The settings: the budget's, the same for every row but method, rate and epochs."""
    method, data = ROWS[job.row].method, BUDGET["data"][job.data]
    return Recipe(
        data=str(list_of(job, shared=shared, folder=out.parent)),
        out=str(out),
        backbone="deit_tiny_patch16_224",
        weights=str(shared / "deit-tiny" / "deit_tiny_patch16_224.safetensors"),
        image_size=BUDGET["image_size"],
        method=method,
        seed=job.seed,
        videos=Videos(
            root=str(shared / job.data),
            columns=data["columns"],
            exclude=tuple(data["exclude"]),
            test=str(job.fold),
            val_fraction=0.0,
            shots=job.stage.get("shots", 0),
            episode=job.seed,
            keep_frames=BUDGET["kept_frames"],
            workers=0,
        ),
        sampling=Sampling(num_frames=BUDGET["frames"]),
        augmentation=Augmentation(scale=tuple(BUDGET["scale"])),
        training=Training(
            epochs=job.stage["epochs"],
            batch_size=BUDGET["batch_size"],
            learning_rate=job.rate,
            precision=BUDGET["precision"],
            cache_clips=ROWS[job.row].cache_clips,
        ),
        views=Views(clips=BUDGET["test_clips"]),
    )


def list_of(job: Job, *, shared: Path, folder: Path) -> Path:
    """The data set's list; for what chooses something without the fold that it must not see."""
    whole = shared / job.data / "index.csv"
    if "without" not in job.stage:
        return whole
    unseen, column = str(job.stage["without"]), BUDGET["data"][job.data]["columns"]["split"]
    with whole.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column] != unseen]
    path = folder / "seen.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(job: Job, *, shared: Path) -> dict[str, Any]:
    """Train and score."""
    started, computed = time.perf_counter(), time.process_time()
    # In bfloat16 on a CPU torch's flash attention takes its backward slowly: a quarter of a step.
    with tempfile.TemporaryDirectory() as folder, sdpa_kernel(SDPBackend.MATH):
        out = Path(folder, "run")
        done = train(recipe_of(job, shared=shared, out=out), quiet=True)
        told = done.evaluation
        prepared = (out / "metrics.jsonl").stat().st_mtime - (out / "recipe.yaml").stat().st_mtime
        checkpoint = sum(f.stat().st_size for f in (out / "best").iterdir())
    model = done.model
    counted = account(
        model.backbone.name,
        model.method,
        num_frames=model.num_frames,
        num_classes=len(model.class_names),
        image_size=model.backbone.image_size[0],
    )
    kept = ("n", "top1", "top1_shuffled", "top1_reversed", "mean_class", "list_sha256")
    scores = told.to_dict()
    return {
        **vars(job),
        **{name: scores[name] for name in kept},
        "answers": answers(told.predictions),
        "trained_parameters": counted.trained,
        "multiply_adds": counted.multiply_adds,
        "kept_bytes": counted.activation_bytes,
        "checkpoint_bytes": checkpoint,
        "train_top1": [round(r["train_top1"], 4) for r in done.history],
        # Decoding, and features that are computed once; then the epochs; then all with the test.
        "preparing_seconds": round(prepared - done.seconds, 1),
        "training_seconds": round(done.seconds, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "core_seconds": round(time.process_time() - computed, 1),
        "machine": machine("cuda" if torch.cuda.is_available() else "cpu"),
    }


def answers(predictions: list[dict[str, Any]]) -> dict[str, bool]:
    """Whether each video was answered rightly, by its path below the folder that holds them all."""
    return {told["path"]: told["predicted"] == told["label"] for told in predictions}
