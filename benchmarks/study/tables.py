"""The study's results as tables: a row for each method, each question, each candidate."""

import math
from functools import partial
from statistics import fmean, median

from asked import Result, asked_of, finished, rows_on, runs_of, scored, tried, untouched
from questions import QUESTIONS, Cells, answered, by_video
from rows import ROWS

from stillmotion.metrics import interval
from stillmotion.repetition import mean_of

Table = list[Cells]
DRAWN = ("few", "choice")
"""Stages whose seeds draw the training videos, too."""


def methods(results: list[Result], *, data: str) -> Table:
    """Every row that was tested on all of its folds, best first under each heading; seed 0."""
    tested = compared(results, data=data)
    best_first = sorted(tested, key=lambda name: -pooled(untouched(tested[name]), "top1")[0])
    groups = dict.fromkeys(row.group for row in ROWS.values())
    return [
        {"": group, **method(name, tested[name])}
        for group in groups
        for name in best_first
        if ROWS[name].group == group
    ]


def compared(results: list[Result], *, data: str) -> dict[str, list[Result]]:
    """The runs of each finished row that is trained with all videos."""
    return {
        name: runs
        for name in rows_on(data)
        if ROWS[name].stage not in DRAWN and (runs := finished(results, name, data=data))
    }


def unfinished(results: list[Result], *, data: str) -> str:
    """What was begun, and what was not."""
    asked = {name: len(asked_of(name, data=data)) for name in rows_on(data)}
    counts = {name: len(runs_of(results, name, data=data)) for name in asked}
    begun = [f"{name} ({n} of {asked[name]})" for name, n in counts.items() if 0 < n < asked[name]]
    waiting = [name for name, n in counts.items() if n == 0]
    return f"Begun: {'; '.join(begun) or 'none'}. Not begun: {'; '.join(waiting) or 'none'}."


def method(name: str, runs: list[Result]) -> dict[str, object]:
    """The cells of one."""
    top1, n = pooled(runs, "top1")
    others = [pooled(runs, score)[0] for score in ("mean_class", "top1_shuffled", "top1_reversed")]
    mean_class, shuffled, reversed_ = (f"{score:.3f}" for score in others)
    return {
        "row": name,
        "top-1": within(top1, n),
        "other folds": f"{pooled(untouched(runs), 'top1')[0]:.3f}",
        "mean class": mean_class,
        "shuffled": shuffled,
        "reversed": reversed_,
        "rate": f"{runs[0]['rate']:g}",
        **costs(runs),
        "until 90 %": f"{seconds_to(runs, 0.9):.0f}",
        "in epochs": epochs_to(runs, 0.9),
        "checkpoint, kB": f"{fmean(run['checkpoint_bytes'] for run in runs) / 1e3:,.0f}",
        "folds": len(runs),
    }


def costs(runs: list[Result]) -> dict[str, object]:
    """What a row takes; of a core's seconds the median over its runs."""
    told = runs[0]
    return {
        "trained": f"{told['trained_parameters']:,}",
        "GMAC": f"{told['multiply_adds'] / 1e9:.2f}",
        "kept, MB": f"{told['kept_bytes'] / 1e6:.1f}",
        "core seconds": f"{median(run['core_seconds'] for run in runs):.0f}",
    }


def within(score: float, n: int) -> str:
    """With Wilson's 95 % interval over videos."""
    low, high = interval(score, n)
    return f"{score:.3f} ({low:.2f} to {high:.2f})"


def pooled(runs: list[Result], score: str) -> tuple[float, int]:
    """The score over the videos of all folds together, and how many these are."""
    n = sum(run["n"] for run in runs)
    return math.fsum(run["n"] * run[score] for run in runs) / n, n


def epochs_to(runs: list[Result], share: float) -> int:
    """Epochs until this share of the last training accuracy, on the mean of the folds' curves."""
    curve = mean_curve(runs)
    return next(i for i, value in enumerate(curve, start=1) if value >= share * curve[-1])


def seconds_to(runs: list[Result], share: float) -> float:
    """A core's seconds until this share of the last training accuracy; the median over runs.

    With what had to be prepared: decoding, and features that are computed once. Runs shared the
    machine with others: the time on the clock only divides their computing.
    """
    epochs = epochs_to(runs, share)

    def of(run: Result) -> float:
        training = run["training_seconds"] * epochs / len(run["train_top1"])
        until = run["preparing_seconds"] + training
        return until * run["core_seconds"] / run["seconds"]

    return median(map(of, runs))


def mean_curve(runs: list[Result]) -> list[float]:
    """Training accuracy of each epoch, the mean over folds."""
    return [fmean(at) for at in zip(*(run["train_top1"] for run in runs), strict=True)]


def seeds(results: list[Result], *, data: str) -> Table:
    """Rows that were tested with several seeds on every fold: each seed's score, and their mean.

    Its interval is Student's, over seeds alone: of the videos' number it does not know.
    """
    table: Table = []
    for name, row in ROWS.items():
        drawn = sorted({told["seed"] for told in results if told["row"] == name})
        by_seed = [finished(results, name, data=data, seeds=[seed]) for seed in drawn]
        scores = [pooled(runs, "top1")[0] for runs in by_seed if runs]
        if len(scores) > 1 and row.stage not in DRAWN:
            (mean, (low, high)), each = over(scores), ", ".join(f"{one:.3f}" for one in scores)
            told = f"{mean:.3f} ({low:.3f} to {high:.3f})"
            table.append({"row": name, "mean": told, "by seed": each})
    return sorted(table, key=lambda row: str(row["mean"]), reverse=True)


def over(values: list[float]) -> tuple[float, tuple[float, float]]:
    """The mean of several runs' figures, and Student's 95 % interval of it."""
    told = mean_of(values)
    assert told.interval is not None
    return told.mean, told.interval


def questions(results: list[Result], *, data: str) -> Table:
    """Every question of which something is known."""
    return answered(QUESTIONS, partial(by_video, results, data=data))


def rates(results: list[Result]) -> Table:
    """What was tried to choose each row's rate, and how each did."""
    table: Table = []
    for name in ROWS:
        if searched := tried(results, name):
            by, scores = scored(searched)
            each = ", ".join(f"{rate:g}: {scores[rate]:.3f}" for rate in sorted(scores))
            table.append({"row": name, "chosen by": by, "rate: score": each})
    return table
