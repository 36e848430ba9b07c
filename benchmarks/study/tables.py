"""The study's results as tables: a row for each method, each question, each candidate."""

import math
from statistics import fmean

from asked import Result, folds_of, rows_on, runs_of, seeds_of
from questions import QUESTIONS, answer
from rows import ROWS

from stillmotion.metrics import interval

Table = list[dict[str, object]]
LOOKED_AT = (0, 1)
"""Folds of egogestar on which the preset and the optimiser were found, and rates are chosen."""


def methods(results: list[Result], *, data: str) -> Table:
    """Every row that was tested on all of its folds, best first under each heading; seed 0."""
    tested = finished(results, data=data)
    best_first = sorted(tested, key=lambda name: -pooled(untouched(tested[name]), "top1")[0])
    groups = dict.fromkeys(row.group for row in ROWS.values())
    return [
        {"": group, **method(name, tested[name])}
        for group in groups
        for name in best_first
        if ROWS[name].group == group
    ]


def finished(results: list[Result], *, data: str) -> dict[str, list[Result]]:
    """The runs of each row of the great table that has them on all of its folds; seed 0."""
    return {
        name: runs
        for name in rows_on(data)
        if ROWS[name].stage in ("folds", "part", "long")
        and len(runs := runs_of(results, name, data=data)) == len(folds_of(name, data=data))
    }


def unfinished(results: list[Result], *, data: str) -> str:
    """What was begun, and what was not."""
    asked = {name: len(folds_of(name, data=data)) * len(seeds_of(name)) for name in rows_on(data)}
    counts = {
        name: sum(len(runs_of(results, name, data=data, seed=seed)) for seed in seeds_of(name))
        for name in asked
    }
    begun = [f"{name} ({n} of {asked[name]})" for name, n in counts.items() if 0 < n < asked[name]]
    waiting = [name for name, n in counts.items() if n == 0]
    return f"Begun: {'; '.join(begun) or 'none'}. Not begun: {'; '.join(waiting) or 'none'}."


def method(name: str, runs: list[Result]) -> dict[str, object]:
    """The cells of one."""
    top1, n = pooled(runs, "top1")
    others = [pooled(runs, score)[0] for score in ("mean_class", "top1_shuffled", "top1_reversed")]
    mean_class, shuffled, reversed_ = (f"{score:.3f}" for score in others)
    told = runs[0]
    return {
        "row": name,
        "top-1": within(top1, n),
        "other folds": f"{pooled(untouched(runs), 'top1')[0]:.3f}",
        "mean class": mean_class,
        "shuffled": shuffled,
        "reversed": reversed_,
        "trained": f"{told['trained_parameters']:,}",
        "GMAC": f"{told['multiply_adds'] / 1e9:.2f}",
        "kept, MB": f"{told['kept_bytes'] / 1e6:.1f}",
        "rate": f"{told['rate']:g}",
        "core seconds": seconds_to(runs, 0.9),
        "checkpoint, kB": f"{fmean(run['checkpoint_bytes'] for run in runs) / 1e3:,.0f}",
        "folds": len(runs),
    }


def untouched(runs: list[Result]) -> list[Result]:
    """Those on whose folds nothing was chosen."""
    return [run for run in runs if run["data"] != "egogestar" or run["fold"] not in LOOKED_AT]


def within(score: float, n: int) -> str:
    """With Wilson's 95 % interval over videos."""
    low, high = interval(score, n)
    return f"{score:.3f} ({low:.2f} to {high:.2f})"


def pooled(runs: list[Result], score: str) -> tuple[float, int]:
    """The score over the videos of all folds together, and how many these are."""
    n = sum(run["n"] for run in runs)
    return math.fsum(run["n"] * run[score] for run in runs) / n, n


def seconds_to(runs: list[Result], share: float) -> str:
    """A core's seconds until this share of the last training accuracy, and those of a whole run.

    With what had to be prepared: decoding, and features that are computed once. Runs shared the
    machine with others, which makes computing longer, too: of all folds the quickest counts, and
    the time on the clock only divides its computing.
    """
    curve = mean_curve(runs)
    epochs = next(i for i, value in enumerate(curve, start=1) if value >= share * curve[-1])
    quickest = min(runs, key=lambda run: run["core_seconds"])
    until = quickest["preparing_seconds"] + quickest["training_seconds"] * epochs / len(curve)
    whole = quickest["core_seconds"]
    return f"{until * whole / quickest['seconds']:.0f} ({whole:.0f})"


def mean_curve(runs: list[Result]) -> list[float]:
    """Training accuracy of each epoch, the mean over folds."""
    return [fmean(at) for at in zip(*(run["train_top1"] for run in runs), strict=True)]


def seeds(results: list[Result], *, data: str) -> Table:
    """Rows that were tested with several seeds on every fold: each seed's score, and their mean."""
    table: Table = []
    for name in ROWS:
        drawn = sorted({told["seed"] for told in results if told["row"] == name})
        by_seed = [runs_of(results, name, data=data, seed=seed) for seed in drawn]
        folds = len(folds_of(name, data=data))
        scores = [pooled(runs, "top1")[0] for runs in by_seed if len(runs) == folds]
        if len(scores) > 1 and ROWS[name].stage == "folds":
            each = ", ".join(f"{score:.3f}" for score in scores)
            table.append({"row": name, "mean": f"{fmean(scores):.3f}", "by seed": each})
    return sorted(table, key=lambda row: str(row["mean"]), reverse=True)


def questions(results: list[Result], *, data: str) -> Table:
    """Every question of which something is known."""
    answers = (answer(question, results, data=data) for question in QUESTIONS)
    return [told for told in answers if told]


def rates(results: list[Result]) -> Table:
    """What was tried to choose each row's rate, and how each did."""

    def told(name: str) -> dict[str, object] | None:
        tried = {
            run["rate"]: run["top1"] for run in results if run["row"] == name and run["search"]
        }
        if not tried:
            return None
        each = ", ".join(f"{rate:g}: {tried[rate]:.3f}" for rate in sorted(tried))
        return {"row": name, "rate: top-1": each}

    return [line for name in ROWS if (line := told(name))]
