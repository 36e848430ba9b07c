"""The demonstration step by step: make videos, fit the baseline, train AM Flow, report."""

import json
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from torch.utils.data import DataLoader

from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.annotations import VideoList
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.synthetic import MOTIONS, write_motion_videos
from stillmotion.data.transforms import Augmentation
from stillmotion.demo.report import CONTROL, Baseline, answers, scores, show
from stillmotion.errors import ConfigurationError
from stillmotion.evaluation import evaluate
from stillmotion.files import write_bytes, write_text
from stillmotion.loading import view_loader
from stillmotion.methods import AMFlow, LinearProbe
from stillmotion.model import VideoClassifier, adapt
from stillmotion.recipe import Recipe
from stillmotion.settings import Training, Videos, Views
from stillmotion.terminal import progress_bar
from stillmotion.training import train
from stillmotion.training.probe import fit_head, frozen_features
from stillmotion.visualise import demo_page, summary_picture

CLASSES = "classes.txt"
"""Names the classes; a motion and its opposite are neighbours."""


@dataclass(frozen=True)
class Size:
    """How much is made and trained."""

    num_train: int
    num_val: int
    num_heldout_pairs: int
    epochs: int


FULL = Size(num_train=480, num_val=48, num_heldout_pairs=204, epochs=8)
QUICK = Size(num_train=240, num_val=24, num_heldout_pairs=36, epochs=6)


def demonstrate(directory: Path, *, quick: bool = False, full: bool = False, seed: int = 0) -> Path:
    """Run the whole demonstration.

    Args:
        directory: where to write; new or empty.
        quick: less of everything; scores are lower.
        full: also train AM Flow without its flow.
        seed: changes the videos and the training.

    Returns:
        The page.

    Raises:
        ConfigurationError: where the directory holds something already.
    """
    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError(f"{directory} is not empty; choose another with --out")
    started, console = time.perf_counter(), Console()
    size, videos = QUICK if quick else FULL, directory / "videos"
    console.print(f"[bold]1[/]  videos whose class lies in time alone, in {videos}")
    make_videos(videos, size, seed, console)
    console.print("[bold]2[/]  the order-free baseline: a linear layer on frozen features")
    baseline = fit_baseline(videos)
    console.print(baseline.evaluation.table())
    console.print("[bold]3[/]  AM Flow")
    amflow = train(recipe(directory, "amflow", AMFlow.small(), size, seed))
    ablation = None
    if full:
        console.print("[bold]4[/]  AM Flow without its flow")
        method = replace(AMFlow.small(), flow="none")
        ablation = train(recipe(directory, "amflow_without_flow", method, size, seed))
    seconds = time.perf_counter() - started
    told = scores(amflow, baseline, ablation, seed=seed, seconds=seconds)
    rows = answers(amflow.evaluation, baseline, ablation)
    repeat = command(directory, quick, full, seed)
    shown = show(told, rows, amflow, videos / "test", size.num_train, repeat)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    write_text(directory / "predictions.jsonl", lines)
    write_bytes(directory / "summary.png", summary_picture(shown))
    write_text(directory / "report.html", demo_page(shown))
    write_text(directory / "report.json", json.dumps(told, indent=2) + "\n")
    return directory / "report.html"


def make_videos(directory: Path, size: Size, seed: int, console: Console) -> None:
    """Write the videos, under a progress bar, and their classes in an order that keeps pairs."""
    with progress_bar(console) as bar:
        task = bar.add_task("drawing and encoding", total=None)
        write_motion_videos(
            directory,
            num_train=size.num_train,
            num_val=size.num_val,
            num_heldout_pairs=size.num_heldout_pairs,
            seed=seed,
            on_progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    write_text(directory / CLASSES, "\n".join(MOTIONS) + "\n")


def recipe(directory: Path, name: str, method: AMFlow, size: Size, seed: int) -> Recipe:
    """How the demonstration trains: on clips whose frames are kept in memory."""
    return Recipe(
        data=str(directory / "videos" / "index.csv"),
        out=str(directory / "runs" / name),
        backbone=DEMO_BACKBONE,
        image_size=None,
        method=method,
        seed=seed,
        videos=Videos(classes=str(directory / "videos" / CLASSES), keep_frames=32, workers=1),
        augmentation=Augmentation(scale=(0.7, 1.0), ratio=(0.9, 1.1)),
        training=Training(epochs=size.epochs, batch_size=16),
    )


def fit_baseline(videos: Path) -> Baseline:
    """One linear layer for the motions, and one for the shapes, on the same frozen features."""
    motions = read_videos(videos / "index.csv", classes=videos / CLASSES)
    shapes = read_videos(videos / "index.csv", columns={"label": CONTROL})
    probe, control = (
        adapt(DEMO_BACKBONE, LinearProbe(), class_names=labelled.classes, num_frames=8).eval()
        for labelled in (motions, shapes)
    )
    features, index = frozen_features(probe, train_views(probe, motions))
    for model, labelled in ((probe, motions), (control, shapes)):
        samples = labelled.only("train").samples
        fit_head(model, features, torch.tensor([samples[i].label for i in index]))
    return Baseline(
        probe,
        evaluate(probe, motions.only("test")),
        evaluate(control, shapes.only("test"), time_check=False),
    )


def train_views(model: VideoClassifier, videos: VideoList) -> DataLoader:
    """One view of each training video."""
    return view_loader(
        videos.only("train").samples,
        sampling=Sampling(),
        image_size=model.backbone.image_size[0],
        views=Views(),
        workers=2,
        batch_size=16,
    )


def command(directory: Path, quick: bool, full: bool, seed: int) -> str:
    """What repeats this demonstration."""
    flags = [flag for flag, given in (("--quick", quick), ("--full", full)) if given]
    return shlex.join(["stillmotion", "demo", "--out", str(directory), *flags, "--seed", str(seed)])
