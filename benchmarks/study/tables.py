"""The study's results as tables: a row for each method, each question, each candidate."""

import math
from statistics import fmean
from typing import Any

from questions import QUESTIONS, answer, difference, right
from rows import ROWS, Row
from run import BUDGET

from stillmotion.metrics import interval

Result = dict[str, Any]
"""A line of results.jsonl."""
Table = list[dict[str, object]]
LOOKED_AT = (0, 1)
"""Folds of egogestar on which `small` and the optimiser were found, and rates are chosen."""


def methods(results: list[Result], *, data: str) -> Table:
    """Every row that was tested on all of its folds, best first under each heading; seed 0."""
    tested = finished(results, data=data)
    best_first = sorted(tested, key=lambda name: -pooled(tested[name], "top1")[0])
    groups = dict.fromkeys(row.group for row in ROWS.values())
    return [
        {"": group, **method(name, tested[name])}
        for group in groups
        for name in best_first
        if ROWS[name].group == group
    ]


def finished(results: list[Result], *, data: str) -> dict[str, list[Result]]:
    """The test runs of each row that has them on all of its folds."""
    return {
        name: runs
        for name in ROWS
        if len(runs := runs_of(results, name, data=data)) == len(folds_of(name, data=data))
    }


def folds_of(name: str, *, data: str) -> list[int]:
    """On which folds a row is tested."""
    stage = BUDGET["stages"][ROWS[name].stage]
    return stage.get("folds", BUDGET["data"][data]["folds"])


def unfinished(results: list[Result], *, data: str) -> str:
    """What was begun, and what was not."""
    counts = {
        name: len(runs_of(results, name, data=data))
        for name, row in ROWS.items()
        if row.stage != "choice"
    }
    begun = [
        f"{name} ({n} folds)"
        for name, n in counts.items()
        if 0 < n < len(folds_of(name, data=data))
    ]
    waiting = [name for name, n in counts.items() if n == 0]
    return f"Begun: {'; '.join(begun) or 'none'}. Not begun: {'; '.join(waiting) or 'none'}."


def runs_of(results: list[Result], name: str, *, data: str, seed: int = 0) -> list[Result]:
    """The test runs of a row."""
    wanted = {"row": name, "data": data, "seed": seed, "search": False}
    return [told for told in results if wanted.items() <= told.items()]


def method(name: str, runs: list[Result]) -> dict[str, object]:
    """The cells of one."""
    top1, n = pooled(runs, "top1")
    unseen = [run for run in runs if run["fold"] not in LOOKED_AT]
    others = [pooled(runs, score)[0] for score in ("mean_class", "top1_shuffled", "top1_reversed")]
    mean_class, shuffled, reversed_ = (f"{score:.3f}" for score in others)
    told = runs[0]
    return {
        "row": name,
        "top-1": within(top1, n),
        "other folds": f"{pooled(unseen, 'top1')[0]:.3f}" if unseen else "",
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


def within(score: float, n: int) -> str:
    """With Wilson's 95 % interval over videos."""
    low, high = interval(score, n)
    return f"{score:.3f} ({low:.2f} to {high:.2f})"


def pooled(runs: list[Result], score: str) -> tuple[float, int]:
    """The score over the videos of all folds together, and how many these are."""
    n = sum(run["n"] for run in runs)
    return math.fsum(run["n"] * run[score] for run in runs) / n, n


def seconds_to(runs: list[Result], accuracy: float) -> str:
    """Seconds of a core's work until training accuracy is reached, and all of a run's in brackets.

    With what had to be prepared: decoding, and features that are computed once. Runs shared their
    cores with others, so that the time on the clock is only used to divide the computing.
    """
    whole = fmean(run["core_seconds"] for run in runs)
    curve = mean_curve(runs)
    first = next((i for i, value in enumerate(curve, start=1) if value >= accuracy), None)
    if first is None:
        return f"- ({whole:.0f})"
    taken = [
        (run["preparing_seconds"] + run["training_seconds"] * first / len(curve))
        * (run["core_seconds"] / run["seconds"])
        for run in runs
    ]
    return f"{fmean(taken):.0f} ({whole:.0f})"


def mean_curve(runs: list[Result]) -> list[float]:
    """Training accuracy of each epoch, the mean over folds."""
    return [fmean(at) for at in zip(*(run["train_top1"] for run in runs), strict=True)]


def seeds(results: list[Result], *, data: str) -> Table:
    """Rows that were tested with several seeds on every fold: each seed's score, and their mean."""
    table: Table = []
    for name in ROWS:
        by_seed = {seed: runs_of(results, name, data=data, seed=seed) for seed in range(10)}
        whole = len(by_seed[0])
        scores = [pooled(runs, "top1")[0] for runs in by_seed.values() if len(runs) == whole > 0]
        if len(scores) > 1:
            each = ", ".join(f"{score:.3f}" for score in scores)
            spread = f"{min(scores):.3f} to {max(scores):.3f}"
            table.append({"row": name, "mean": f"{fmean(scores):.3f}", "by seed": each, "": spread})
    return sorted(table, key=lambda row: str(row["mean"]), reverse=True)


def questions(results: list[Result], *, data: str) -> Table:
    """Every question of which something is known."""
    answers = (answer(question, results, data=data) for question in QUESTIONS)
    return [told for told in answers if told]


def candidates(results: list[Result]) -> Table:
    """AM Flow's candidates where settings are chosen, each beside the first of them, `small`."""
    names = [name for name, row in ROWS.items() if row.stage == "choice"]
    base = right(results, names[0], data="egogestar", search=True)
    table: Table = []
    for name in names:
        own = right(results, name, data="egogestar", search=True)
        runs = [told for told in results if told["row"] == name and told["search"]]
        if own:
            told = difference(base, own)
            table.append(
                {
                    "candidate": name.removeprefix("choice: "),
                    "top-1": f"{fmean(own.values()):.3f}",
                    "against small": told["difference"],
                    "p": told["p"],
                    "trained": f"{runs[0]['trained_parameters']:,}",
                    "core seconds": f"{fmean(run['core_seconds'] for run in runs):.0f}",
                    "folds": len(runs),
                }
            )
    return sorted(table, key=lambda row: str(row["top-1"]), reverse=True)


def rates(results: list[Result]) -> Table:
    """What was tried to choose each row's rate, and how each did on the inner fold."""

    def told(name: str, row: Row) -> dict[str, object] | None:
        tried = {
            run["rate"]: run["top1"] for run in results if run["row"] == name and run["search"]
        }
        if row.stage == "choice" or not tried:
            return None
        each = ", ".join(f"{rate:g}: {tried[rate]:.3f}" for rate in sorted(tried))
        return {"row": name, "rate: top-1 on the inner fold": each}

    return [line for name, row in ROWS.items() if (line := told(name, row))]
