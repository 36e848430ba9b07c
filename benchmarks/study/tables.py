"""The study's results as Markdown."""

import math
from statistics import fmean
from typing import Any

from rows import ROWS

from stillmotion.metrics import interval

COLUMNS = (
    *("method", "folds", "top-1", "mean class", "shuffled", "reversed", "trained", "GMAC"),
    *("to 90 %, s", "checkpoint, kB"),
)


def table(results: list[dict[str, Any]], *, data: str = "egogestar") -> str:
    """One line a row that has been measured, best first within its group."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    measured = [r for r in results if r["data"] == data and not r["search"] and r["seed"] == 0]
    for group in dict.fromkeys(row.group for row in ROWS.values()):
        own = {n: [r for r in measured if r["row"] == n] for n in ROWS if ROWS[n].group == group}
        own = {name: runs for name, runs in own.items() if runs}
        lines += [f"| **{group}** |" + " |" * (len(COLUMNS) - 1)] if own else []
        best_first = sorted(own, key=lambda n: -pooled(own[n], "top1")[0])
        lines += [line(name, own[name]) for name in best_first]
    return "\n".join(lines)


def line(name: str, runs: list[dict[str, Any]]) -> str:
    """The cells of a row."""
    top1, n = pooled(runs, "top1")
    low, high = interval(top1, n)
    others = [pooled(runs, s)[0] for s in ("mean_class", "top1_shuffled", "top1_reversed")]
    cells = [
        name,
        str(len({r["fold"] for r in runs})),
        f"{top1:.3f} ({low:.2f} to {high:.2f})",
        *(f"{score:.3f}" for score in others),
        f"{runs[0]['trained_parameters']:,}",
        f"{runs[0]['multiply_adds'] / 1e9:.2f}",
        f"{fmean(seconds_to(r, 0.9) for r in runs):.0f}",
        f"{fmean(r['checkpoint_bytes'] for r in runs) / 1e3:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def pooled(runs: list[dict[str, Any]], score: str) -> tuple[float, int]:
    """The score over the videos of all folds together, and how many these are."""
    n = sum(r["n"] for r in runs)
    return math.fsum(r["n"] * r[score] for r in runs) / n, n


def seconds_to(run: dict[str, Any], part: float) -> float:
    """Seconds of training until training accuracy first is this part of its last value."""
    curve = run["train_top1"]
    first = next(i for i, value in enumerate(curve, start=1) if value >= part * curve[-1])
    return run["training_seconds"] * first / len(curve)
