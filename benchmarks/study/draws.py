"""Rows with few training videos: a score a draw, compared draw by draw.

A draw is a fold and a seed. Two rows on one draw share its videos, so that differences are those
of each draw; their intervals are Student's. Draws of one fold share its test videos, of which the
interval does not know: beside it stands the difference of each fold.
"""

from collections import defaultdict
from functools import partial
from statistics import fmean

from asked import Result, finished
from questions import FEW_QUESTIONS, Cells, Question, answered, short
from rows import ROWS
from tables import Table, costs, over


def draws(results: list[Result], *, stage: str) -> Table:
    """The finished rows of a stage, best first, each beside the same draws of the first of them."""
    first = next(name for name, row in ROWS.items() if row.stage == stage)
    runs = drawn(results, stage=stage)
    scores = {name: fmean(run["top1"] for run in of) for name, of in runs.items()}
    return [
        {
            "row": short(name),
            "top-1": f"{scores[name]:.3f}",
            f"against {short(first)}": paired(runs.get(first, []), runs[name]),
            **costs(runs[name]),
            "draws": len(runs[name]),
        }
        for name in sorted(scores, key=lambda name: -scores[name])
    ]


def drawn(results: list[Result], *, stage: str) -> dict[str, list[Result]]:
    """The runs of each finished row of a stage."""
    names = [name for name, row in ROWS.items() if row.stage == stage]
    every = {name: finished(results, name, data="egogestar") for name in names}
    return {name: runs for name, runs in every.items() if runs}


def few_questions(results: list[Result]) -> Table:
    """Every question of rows with few videos that is answered."""
    return answered(FEW_QUESTIONS, partial(by_draw, results))


def by_draw(results: list[Result], asked: Question) -> Cells | None:
    """Two rows over their draws; nothing where one is not finished."""
    before, after = (
        finished(results, name, data="egogestar", seeds=list(asked.seeds))
        for name in (asked.first, asked.second)
    )
    if not (before and after):
        return None
    score, score_after = (fmean(run["top1"] for run in runs) for runs in (before, after))
    return {
        "first": f"{score:.3f}",
        "second": f"{score_after:.3f}",
        "difference": paired(before, after),
        "by fold": by_fold(before, after),
        "draws": len(before),
    }


def paired(first: list[Result], second: list[Result]) -> str:
    """Second less first, draw by draw, with its 95 % interval; nothing where one has no draws."""
    if not (first and second):
        return ""
    pairs = zip(first, second, strict=True)
    mean, (low, high) = over([b["top1"] - a["top1"] for a, b in pairs])
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def by_fold(first: list[Result], second: list[Result]) -> str:
    """Second less first, the mean over each fold's draws."""
    differences: dict[int, list[float]] = defaultdict(list)
    for a, b in zip(first, second, strict=True):
        differences[a["fold"]].append(b["top1"] - a["top1"])
    means = {fold: round(fmean(of), 3) + 0.0 for fold, of in sorted(differences.items())}
    return ", ".join(f"{fold}: {mean:+.3f}" for fold, mean in means.items())
