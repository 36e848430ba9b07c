"""AM Flow on real videos: 217 first-person gestures of ten classes, five scene-disjoint folds.

    python benchmarks/egogestar.py --variants small --folds 0 --seeds 0 1 2
    python benchmarks/egogestar.py --variants small --folds 1 2 3 4
    python benchmarks/egogestar.py --variants aligned without_flow paper_readout order_free
    python benchmarks/egogestar.py --table

Videos and weights are read from the folder that STILLMOTION_SHARED names (default: the folder
`shared` beside the checkout); docs/results.md says where they come from. A run takes two to five
minutes on two cores, decoding included. Every run adds a line to benchmarks/egogestar.jsonl; runs
that are there already are not repeated. `--table` prints the table of docs/results.md from it.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from stillmotion.data.annotations import VideoList
from stillmotion.data.transforms import Augmentation
from stillmotion.evaluation import evaluate
from stillmotion.loading import view_loader
from stillmotion.methods import AMFlow, LinearProbe, Method
from stillmotion.metrics import interval
from stillmotion.recipe import Recipe
from stillmotion.settings import Training, Videos, Views
from stillmotion.training import train
from stillmotion.training.loop import build_model
from stillmotion.training.probe import fit_head, frozen_features
from stillmotion.training.splits import read_splits

HERE = Path(__file__).parent
RESULTS = HERE / "egogestar.jsonl"
SHARED = Path(os.environ.get("STILLMOTION_SHARED", HERE.parent.parent / "shared")) / "data"
SMALL = AMFlow.small()

VARIANTS: dict[str, Method] = {
    "small": SMALL,
    "streaming": AMFlow.small(streaming=True),
    "aligned": replace(SMALL, flow="aligned"),
    "without_flow": replace(SMALL, flow="none"),
    "paper_readout": replace(SMALL, tpm_tokens="mean", centre="none", loss="averaged"),
    "order_free": LinearProbe(),
}


def recipe(variant: str, fold: int, seed: int, out: str) -> Recipe:
    """The settings, the same for every variant; those of the prototype in the design's notes."""
    return Recipe(
        data=str(SHARED / "egogestar" / "index.csv"),
        out=out,
        backbone="deit_tiny_patch16_224",
        weights=str(SHARED / "deit-tiny" / "deit_tiny_patch16_224.safetensors"),
        image_size=112,
        method=VARIANTS[variant],
        seed=seed,
        videos=Videos(
            columns={"group": "scene_auto", "split": "fold"},
            exclude=("unclassified",),
            test=str(fold),
            val_fraction=0.0,
            keep_frames=16,
            workers=1,
        ),
        augmentation=Augmentation(scale=(0.5, 1.0)),
        training=Training(epochs=15),
        views=Views(clips=2),
    )


def run(variant: str, fold: int, seed: int) -> dict[str, Any]:
    """One training and its evaluation on the fold that was kept away."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        chosen = recipe(variant, fold, seed, out)
        probe = isinstance(chosen.method, LinearProbe)
        told = run_probe(chosen) if probe else train(chosen).evaluation.to_dict()
    kept = ("n", "top1", "top1_shuffled", "top1_reversed", "mean_class", "list_sha256")
    return {
        "variant": variant,
        "fold": fold,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "threads": torch.get_num_threads(),
        **{name: told[name] for name in (*kept, "backbone_sha256")},
    }


def run_probe(chosen: Recipe) -> dict[str, Any]:
    """The order-free baseline: logistic regression on frozen features averaged over frames."""
    splits = read_splits(replace(chosen, videos=replace(chosen.videos, val_fraction=0.0)))
    model = build_model(chosen, splits.train).eval()
    features, index = frozen_features(model, loader(splits.train, chosen))
    fit_head(model, features, torch.tensor([splits.train.samples[i].label for i in index]))
    assert splits.test is not None
    return evaluate(model, splits.test, views=chosen.views).to_dict()


def loader(videos: VideoList, chosen: Recipe) -> torch.utils.data.DataLoader:
    """One view of each video."""
    assert chosen.image_size is not None
    return view_loader(
        videos.samples,
        sampling=chosen.sampling,
        image_size=chosen.image_size,
        views=Views(),
        workers=1,
    )


def rows() -> list[dict[str, Any]]:
    """What was measured so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def table() -> str:
    """The measured figures in Markdown: each variant on fold 0 over seeds, and over all folds."""
    lines = [
        "| variant | fold 0, by seed | five folds, seed 0 | shuffled | reversed | seconds a run |",
        "|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        own = [r for r in rows() if r["variant"] == variant]
        first = [r for r in own if r["fold"] == 0]
        folds = [r for r in own if r["seed"] == 0]
        if own:
            lines.append(
                f"| {variant} | {mean_of_runs(first)} | {pooled(folds, 'top1')} | "
                f"{pooled(folds, 'top1_shuffled')} | {pooled(folds, 'top1_reversed')} | "
                f"{statistics.mean(r['seconds'] for r in own):.0f} |"
            )
    return "\n".join(lines)


def mean_of_runs(runs: list[dict[str, Any]]) -> str:
    """The mean over seeds with each seed's figure."""
    if not runs:
        return ""
    figures = [r["top1"] for r in sorted(runs, key=lambda r: r["seed"])]
    each = ", ".join(f"{f:.3f}" for f in figures)
    return f"**{statistics.mean(figures):.3f}** ({each})" if len(figures) > 1 else each


def pooled(runs: list[dict[str, Any]], score: str) -> str:
    """All test videos of these folds together, with Wilson's 95 % interval."""
    n = sum(r["n"] for r in runs)
    if n == 0:
        return ""
    fraction = math.fsum(r["n"] * r[score] for r in runs) / n
    low, high = interval(fraction, n)
    which = "" if len(runs) == 5 else f" (folds {', '.join(str(r['fold']) for r in runs)})"
    return f"{fraction:.3f} ({low:.2f} to {high:.2f}){which}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["small"])
    parser.add_argument("--folds", nargs="+", type=int, choices=range(5), default=[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=None, help="of torch; default: all cores")
    parser.add_argument("--table", action="store_true", help="print what was measured so far")
    options = parser.parse_args()
    if options.table:
        print(table())
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    wanted = [(v, f, s) for v in options.variants for f in options.folds for s in options.seeds]
    for variant, fold, seed in wanted:
        if (variant, fold, seed) not in {(r["variant"], r["fold"], r["seed"]) for r in rows()}:
            row = run(variant, fold, seed)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row)


if __name__ == "__main__":
    main()
