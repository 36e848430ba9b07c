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

from stillmotion.accounting import account
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation
from stillmotion.recipe import Recipe
from stillmotion.settings import Training, Videos, Views
from stillmotion.training import train

HERE = Path(__file__).parent
BUDGET: dict[str, Any] = yaml.safe_load((HERE / "budget.yaml").read_text(encoding="utf-8"))
CLIPS_KEPT = 8
"""Passes of cached clips, for what can be computed once."""


@dataclass(frozen=True)
class Job:
    """What is run; two equal jobs are one."""

    data: str
    row: str
    fold: str
    seed: int
    rate: float
    search: bool = False
    """Whether it chooses a rate: trained without the outer fold, scored on the inner one."""

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a result."""
        return dict(vars(self))


def recipe_of(job: Job, *, shared: Path, out: Path) -> Recipe:
    """The settings: the budget's, the same for every row but method, rate and epochs."""
    row, data = ROWS[job.row], BUDGET["data"][job.data]
    cached = row.method.reads_frozen_frames
    columns = {"split": "fold"} if job.data == "egogestar" else {"split": "group"}
    return Recipe(
        data=str(list_of(job, shared=shared, folder=out.parent)),
        out=str(out),
        backbone="deit_tiny_patch16_224",
        weights=str(shared / "deit-tiny" / "deit_tiny_patch16_224.safetensors"),
        image_size=BUDGET["image_size"],
        method=row.method,
        seed=job.seed,
        videos=Videos(
            root=str(shared / job.data),
            columns=columns,
            exclude=("unclassified",) if job.data == "egogestar" else (),
            test=job.fold,
            val_fraction=0.0,
            keep_frames=data["kept_frames"],
            workers=1,
        ),
        sampling=Sampling(num_frames=data["frames"]),
        augmentation=Augmentation(scale=(0.5, 1.0)),
        training=Training(
            epochs=BUDGET["long_epochs" if row.long else "epochs"],
            batch_size=BUDGET["batch_size"],
            learning_rate=job.rate,
            precision=BUDGET["precision"],
            cache_clips=CLIPS_KEPT if cached else 0,
        ),
        views=Views(clips=data["test_clips"]),
    )


def list_of(job: Job, *, shared: Path, folder: Path) -> Path:
    """The data set's list; for a search without the outer fold, which it must not see."""
    whole = shared / job.data / "index.csv"
    if not job.search:
        return whole
    with whole.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["fold"] != str(BUDGET["search"]["outer"])]
    path = folder / "search.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return path


def run(job: Job, *, shared: Path) -> dict[str, Any]:
    """Train and score."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = train(recipe_of(job, shared=shared, out=Path(folder, "run")), quiet=True)
        told = done.evaluation
        checkpoint = sum(f.stat().st_size for f in Path(folder, "run/best").iterdir())
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
        **job.to_dict(),
        **{name: scores[name] for name in kept},
        "answers": {Path(p["path"]).stem: p["predicted"] == p["label"] for p in told.predictions},
        "trained_parameters": counted.trained,
        "multiply_adds": counted.multiply_adds,
        "checkpoint_bytes": checkpoint,
        "train_top1": [round(r["train_top1"], 4) for r in done.history],
        "training_seconds": round(done.seconds, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "machine": machine(),
    }


def machine() -> str:
    """What it ran on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
