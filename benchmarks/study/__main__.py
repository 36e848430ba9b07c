"""The study: what each method really reaches on real videos.

    python benchmarks/study                          all that budget.yaml asks for
    python benchmarks/study --rows parallel "parallel, without flow" --folds 0 1
    python benchmarks/study --data weizmann --rows parallel "side, computed once"
    python benchmarks/study --share 0/2              every other row, for a process beside this one
    python benchmarks/study --table                  what was measured so far
    python benchmarks/study --write                  the same, into docs/results.md and choosing.md

Each row first chooses its rate, on one fold, then runs on every fold with it. Videos and weights
are read from the folder that STILLMOTION_SHARED names (default: `shared` beside the checkout). Each
run adds a line to benchmarks/study/results.jsonl; what is there is not run again, so that a stopped
study goes on.
"""

import argparse
import json
import os
import sys
from itertools import product
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

sys.path.append(str(Path(__file__).parents[1]))  # what all benchmarks share

import torch
from asked import Result, best_of, folds_of, rows_on, seeds_of
from report import report, write_pages
from rows import ROWS
from run import BUDGET, Job, run

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BESIDE = HERE.parents[2] / "shared"
SHARED = Path(os.environ.get("STILLMOTION_SHARED", BESIDE)) / "data"


def results() -> list[Result]:
    """What was measured so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def job_of(result: Result) -> Job:
    """What a result is of."""
    return Job(**{name: result[name] for name in Job.__dataclass_fields__})


def chosen_rate(row: str) -> float:
    """The rate that scored best where rates are chosen; of equals the middle one.

    Beyond an end that is best one more is tried, and taken if it is better still.
    """
    row = ROWS[row].rate_of or row
    low, middle, high = BUDGET["rates"][ROWS[row].rates]
    tried = {rate: searched(row, rate) for rate in (middle, low, high)}
    best = best_of(tried)
    if best != middle:
        beyond = round(best * best / middle, 12)
        tried[beyond] = searched(row, beyond)
    return best_of(tried)


def shared_out(rows: list[str], share: int, shares: int) -> list[str]:
    """A process's part of the rows; those that take one rate stay together."""
    by_rate: dict[str, list[str]] = {}
    for row in rows:
        by_rate.setdefault(ROWS[row].rate_of or row, []).append(row)
    return [row for together in list(by_rate.values())[share::shares] for row in together]


def searched(row: str, rate: float) -> Result:
    """A run that chooses a rate: on one fold, with one seed."""
    fold, seed = BUDGET["rates"]["scored"], BUDGET["seeds"][0]
    return done(Job("egogestar", row, fold, seed, rate, search=True))


def study(rows: list[str], *, data: str, folds: list[int] | None, seeds: list[int] | None) -> None:
    """Each row on each fold with each seed, with the rate that was chosen for it."""
    for row in rows:
        rate = chosen_rate(row)
        for seed, fold in product(seeds or seeds_of(row), folds or folds_of(row, data=data)):
            done(Job(data, row, fold, seed, rate))


def done(job: Job) -> Result:
    """The result of a job, which is run if it has not been."""
    for result in results():
        if job_of(result) == job and len(result["train_top1"]) == job.stage["epochs"]:
            return result
    result = run(job, shared=SHARED)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    what = "choosing a rate" if job.search else f"fold {job.fold}, seed {job.seed}"
    print(
        f"{job.row}, {what}, rate {job.rate:g}: {result['top1']:.3f}, {result['seconds']} s",
        flush=True,
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", nargs="+", metavar="ROW")
    parser.add_argument("--folds", nargs="+", type=int)
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--data", choices=BUDGET["data"], default="egogestar")
    parser.add_argument("--share", default="0/1", help="this process's part of the rows: i/n")
    parser.add_argument("--threads", type=int, default=1, help="of torch, in this process")
    parser.add_argument("--table", action="store_true", help="print what was measured so far")
    parser.add_argument("--write", action="store_true", help="bring it into the two pages")
    options = parser.parse_args()
    if options.table:
        print(report(results(), options.data))
        return
    if options.write:
        write_pages(results())
        return
    torch.set_num_threads(options.threads)
    share, shares = map(int, options.share.split("/"))
    asked = rows_on(options.data)
    if stray := [row for row in options.rows or () if row not in asked]:
        parser.error(f"{options.data} has no rows {stray}; it has {asked}")
    study(
        shared_out(options.rows or asked, share, shares),
        data=options.data,
        folds=options.folds,
        seeds=options.seeds,
    )


if __name__ == "__main__":
    main()
