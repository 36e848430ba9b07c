"""The rows that a sentence of docs/choosing.md rests on, as a small table beneath it."""

from asked import Result, runs_of, seeds_of
from draws import words
from rows import ROWS
from tables import Table, pooled, untouched, within

from stillmotion.repetition import mean_of


def backed(results: list[Result], asked: str) -> Table:
    """The rows `DATA: ROW; ROW; ...`, in that order."""
    data, names = asked.split(": ", maxsplit=1)
    return [line(results, name, data=data) for name in names.split("; ")]


def line(results: list[Result], name: str, *, data: str) -> dict[str, object]:
    """A row where nothing was chosen; with few videos the mean over its draws."""
    if name not in ROWS:
        raise SystemExit(f"docs/choosing.md asks for the row {name!r}, which the study has not")
    draws = len(seeds_of(name)) > 1
    seeds = seeds_of(name) if draws else [0]
    found = [run for seed in seeds for run in runs_of(results, name, data=data, seed=seed)]
    runs = untouched(found)
    if not runs:
        return {"row": name, "top-1": "not measured yet"}
    told = runs[0]
    score = words(mean_of([run["top1"] for run in runs]), "{:.3f}") if draws else of_all(runs)
    return {
        "row": name,
        "top-1": score,
        "reversed": f"{pooled(runs, 'top1_reversed')[0]:.3f}",
        "trained": f"{told['trained_parameters']:,}",
        "GMAC": f"{told['multiply_adds'] / 1e9:.2f}",
        "kept, MB": f"{told['kept_bytes'] / 1e6:.1f}",
        "core seconds": f"{min(run['core_seconds'] for run in runs):.0f}",
        "of": f"{len(runs)} draws" if draws else f"{len(runs)} folds",
    }


def of_all(runs: list[Result]) -> str:
    """The score over the videos of all folds."""
    return within(*pooled(runs, "top1"))
