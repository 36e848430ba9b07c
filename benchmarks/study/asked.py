"""What the budget asks of each row, and which lines of the results answer it."""

from itertools import product
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


def asked_of(name: str, *, data: str, seeds: list[int] | None = None) -> list[tuple[int, int]]:
    """Every seed and fold with which a row is tested."""
    return list(product(seeds or seeds_of(name), folds_of(name, data=data)))


def runs_of(
    results: list[Result], name: str, *, data: str, seeds: list[int] | None = None
) -> list[Result]:
    """The test runs of a row on what is asked of it, in the order of seeds and folds.

    Those with the rate that its search chose, where there was one: a row may have had another.
    """
    rate = chosen(results, name)
    tested = {
        (told["seed"], told["fold"]): told
        for told in results
        if (told["row"], told["data"], told["search"]) == (name, data, False)
        and rate in (None, told["rate"])
    }
    return [tested[run] for run in asked_of(name, data=data, seeds=seeds) if run in tested]


def finished(
    results: list[Result], name: str, *, data: str, seeds: list[int] | None = None
) -> list[Result]:
    """The same, or nothing as long as one is missing."""
    runs = runs_of(results, name, data=data, seeds=seeds)
    return runs if len(runs) == len(asked_of(name, data=data, seeds=seeds)) else []


def untouched(runs: list[Result]) -> list[Result]:
    """Those on whose folds no rate and no candidate was chosen."""
    looked_at = {BUDGET["rates"]["scored"], BUDGET["stages"]["inner"]["without"]}
    return [run for run in runs if run["data"] != "egogestar" or run["fold"] not in looked_at]


def chosen(results: list[Result], name: str) -> float | None:
    """The rate of a row; None as long as none was tried."""
    rates = tried(results, ROWS[name].rate_of or name)
    return best_of(rates) if rates else None


def tried(results: list[Result], name: str) -> dict[float, Result]:
    """The runs that search a row's rate, by it."""
    return {run["rate"]: run for run in results if run["row"] == name and run["search"]}


def best_of(tried: dict[float, Result]) -> float:
    """The rate that scored best; of equals the first."""
    _, scores = scored(tried)
    return max(scores, key=lambda rate: scores[rate])


def scored(tried: dict[float, Result]) -> tuple[str, dict[float, float]]:
    """What tells a row's rates apart: top-1 on their fold or, where all guess, in training."""
    if any(told["top1"] >= BUDGET["rates"]["learnt"] for told in tried.values()):
        return "top-1", {rate: told["top1"] for rate, told in tried.items()}
    return "top-1 in training", {rate: told["train_top1"][-1] for rate, told in tried.items()}
