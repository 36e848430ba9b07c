"""What the demonstration found: report.json, each clip's answers, the material of the page."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.data.synthetic import SHAPES
from stillmotion.data.video import open_video
from stillmotion.evaluation import Evaluation
from stillmotion.model import VideoClassifier
from stillmotion.prediction import Predictor
from stillmotion.training import Run
from stillmotion.version import __version__
from stillmotion.visualise import (
    Contender,
    Demonstration,
    Example,
    FlowExample,
    attention_flow,
    choose_examples,
)

CONTROL = "shape"
"""The column of index.csv that does not lie in time: what an order-free model must be good at."""


@dataclass(frozen=True)
class Baseline:
    """The order-free baseline: a linear layer on frozen features, averaged over frames."""

    model: VideoClassifier
    evaluation: Evaluation
    control: Evaluation


def scores(
    amflow: Run, baseline: Baseline, ablation: Run | None, *, seed: int, seconds: float
) -> dict[str, Any]:
    """What report.json says."""
    told = {
        "n": amflow.evaluation.scores.n,
        "seed": seed,
        "seconds": round(seconds, 1),
        "amflow": entry(amflow.evaluation, amflow.model, amflow.history),
        "baseline": entry(baseline.evaluation, baseline.model, [])
        | {"control_top1": baseline.control.scores.top1},
    }
    if ablation is not None:
        told["amflow_without_flow"] = entry(ablation.evaluation, ablation.model, ablation.history)
    return told


def entry(
    evaluation: Evaluation, model: VideoClassifier, history: list[dict[str, float]]
) -> dict[str, Any]:
    """A model's part of report.json."""
    told = evaluation.to_dict()
    kept = ("top1", "top1_shuffled", "top1_reversed", "mean_class", "calibration_error")
    return {name: told[name] for name in (*kept, "intervals", "confusion", "per_class")} | {
        "history": history,
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "backbone_sha256": told["backbone_sha256"],
        "list_sha256": told["list_sha256"],
    }


def answers(amflow: Evaluation, baseline: Baseline, ablation: Run | None) -> list[dict[str, Any]]:
    """One row a held-out clip: its path, the truth, and what each model says."""
    named = {"amflow": amflow, "baseline": baseline.evaluation, "control": baseline.control}
    if ablation is not None:
        named["amflow_without_flow"] = ablation.evaluation
    by_path: dict[str, dict[str, Any]] = {}
    for name, evaluation in named.items():
        for row in evaluation.predictions:
            told = by_path.setdefault(row["path"], {"path": row["path"]})
            if name == "control":
                told |= {CONTROL: row["label"], "baseline_control": row["predicted"]}
            else:
                told |= {"label": row["label"], name: row["predicted"]}
                told |= {
                    f"{name}_{k.removeprefix('predicted_')}": v
                    for k, v in row.items()
                    if k.startswith("predicted_")
                }
    return list(by_path.values())


def show(
    told: dict[str, Any],
    rows: list[dict[str, Any]],
    amflow: Run,
    folder: Path,
    num_train: int,
    command: str,
) -> Demonstration:
    """All that the page and the picture need."""
    firsts, mistakes = choose_examples(rows)
    names = {"amflow": "AM Flow", "baseline": "order-free baseline"}
    ablation = told.get("amflow_without_flow")
    return Demonstration(
        class_names=amflow.model.class_names,
        amflow=Contender.from_report(names["amflow"], told["amflow"]),
        baseline=Contender.from_report(names["baseline"], told["baseline"]),
        without_flow=ablation and Contender.from_report("AM Flow without flow", ablation),
        firsts=[example(rows[i], folder) for i in firsts],
        mistakes=[example(rows[i], folder) for i in mistakes],
        flow=flow_example(amflow.model, rows[firsts[0]], folder),
        num_train=num_train,
        num_heldout=told["n"],
        num_shapes=len(SHAPES),
        backbone=DEMO_BACKBONE,
        backbone_parameters=sum(
            p.numel() for p in amflow.model.parameters() if not p.requires_grad
        ),
        seed=told["seed"],
        seconds=told["seconds"],
        command=command,
        machine=f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores",
        versions={
            "stillmotion": __version__,
            "Python": platform.python_version(),
            "torch": torch.__version__,
        },
    )


def example(row: dict[str, Any], folder: Path) -> Example:
    """A held-out clip with its frames, to look at."""
    with open_video(folder / row["path"]) as video:
        frames = video.frames_at(range(len(video))).data
    said = {name: row[name] for name in ("path", "label", "amflow", "baseline")}
    return Example(clip=frames.numpy(), **said)


def flow_example(model: VideoClassifier, row: dict[str, Any], folder: Path) -> FlowExample:
    """AM flow of every block on one clip, from the frames that the model saw."""
    clip = Predictor(model, device="cpu").read(folder / row["path"])[0]
    return FlowExample(
        label=row["label"],
        clip=clip.numpy(),
        blocks=attention_flow(model, clip),
    )
