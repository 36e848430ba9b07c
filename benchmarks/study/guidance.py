"""The rows that a piece of advice in docs/choosing.md rests on, as a small table beneath it."""

from statistics import fmean

from asked import Result, finished, untouched
from rows import ROWS, label
from tables import Table, costs, pooled, within


def backed(results: list[Result], asked: str) -> Table:
    """The rows `DATA: ROW; ROW; ...`, in that order."""
    data, names = asked.split(": ", maxsplit=1)
    return [line(results, name, data=data) for name in names.split("; ")]


def line(results: list[Result], name: str, *, data: str) -> dict[str, object]:
    """A row where no rate was chosen; with few videos the mean over its draws."""
    if name not in ROWS:
        raise SystemExit(f"docs/choosing.md asks for the row {name!r}, which the study has not")
    columns = ("row", "top-1", "reversed", "of", "trained", "GMAC", "kept, MB", "core seconds")
    blank: dict[str, object] = dict.fromkeys(columns, "")
    runs = untouched(finished(results, name, data=data))
    if not runs:
        return blank | {"row": label(name), "top-1": "not measured yet"}
    few = ROWS[name].stage == "few"
    mean = f"{fmean(run['top1'] for run in runs):.3f}"
    return blank | {
        "row": label(name),
        "top-1": mean if few else within(*pooled(runs, "top1")),
        "reversed": f"{pooled(runs, 'top1_reversed')[0]:.3f}",
        "of": f"{len(runs)} {'draws' if few else 'folds'}",
        **costs(runs),
    }
