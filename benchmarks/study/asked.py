"""What the budget asks of each row, and which lines of the results answer it."""

from typing import Any

from rows import ROWS
from run import BUDGET

Result = dict[str, Any]
"""A line of results.jsonl."""


def rows_on(data: str) -> list[str]:
    """The rows of a data set: all, or those that the budget names for it."""
    return BUDGET["data"][data].get("rows", list(ROWS))


def folds_of(name: str, *, data: str) -> list[int]:
    """On which folds a row is tested: all, or on egogestar those of its stage."""
    every = BUDGET["data"][data]["folds"]
    return stage_of(name).get("folds", every) if data == "egogestar" else every


def seeds_of(name: str) -> list[int]:
    """With which seeds it is."""
    return stage_of(name).get("seeds", BUDGET["seeds"])


def stage_of(name: str) -> dict[str, Any]:
    """A row's part of the budget."""
    return BUDGET["stages"][ROWS[name].stage]


def runs_of(results: list[Result], name: str, *, data: str, seed: int = 0) -> list[Result]:
    """The test runs of a row on the folds that are asked of it."""
    wanted = {"row": name, "data": data, "seed": seed, "search": False}
    folds = folds_of(name, data=data)
    return [told for told in results if wanted.items() <= told.items() and told["fold"] in folds]
