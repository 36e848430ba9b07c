"""The study: what each method really reaches on real videos.

    python benchmarks/study --search                 choose each row's rate on inner folds
    python benchmarks/study                          all five folds with the chosen rates
    python benchmarks/study --rows small "small, without flow" --folds 0 1
    python benchmarks/study --table                  what was measured so far

Videos and weights are read from the folder that STILLMOTION_SHARED names. Every run adds a line to
benchmarks/study/results.jsonl; what is there is not run again, so that a stopped study goes on.
Several processes may work at once: --share 0/2 and --share 1/2.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from rows import ROWS
from run import BUDGET, Job, run
from tables import table

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
BESIDE = HERE.parents[2] / "shared"
SHARED = Path(os.environ.get("STILLMOTION_SHARED", BESIDE)) / "data"


def results() -> list[dict[str, Any]]:
    """What was measured so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def job_of(result: dict[str, Any]) -> Job:
    """What a result is of."""
    return Job(**{name: result[name] for name in Job.__dataclass_fields__})


def searches(rows: list[str]) -> Iterator[Job]:
    """Every rate of every row on the inner fold."""
    inner, (seed,) = str(BUDGET["search"]["inner"]), BUDGET["seeds"]
    for row, rate in product(rows, BUDGET["learning_rates"]):
        yield Job("egogestar", row, inner, seed, rate, search=True)


def chosen_rate(row: str, told: list[dict[str, Any]]) -> float | None:
    """The rate that scored best on the inner fold, the middle one of equals; None: not searched."""
    rates = BUDGET["learning_rates"]
    scores = {r["rate"]: r["top1"] for r in told if r["row"] == row and r["search"]}
    if set(scores) != set(rates):
        return None
    middle = rates[len(rates) // 2]
    return max(
        rates, key=lambda rate: (scores[rate], -abs(rates.index(rate) - rates.index(middle)))
    )


def measurements(rows: list[str], folds: list[str], seeds: list[int], data: str) -> Iterator[Job]:
    """Each row on each fold, with the rate that was chosen for it."""
    told = results()
    for seed, fold, row in product(seeds, folds, rows):
        rate = chosen_rate(row, told)
        if rate is None:
            print(f"{row}: its rate has not been chosen yet (--search)", file=sys.stderr)
        else:
            yield Job(data, row, fold, seed, rate)


def work(jobs: list[Job], *, share: int, shares: int) -> None:
    """Run what has not been run; a line each."""
    for job in jobs[share::shares]:
        if job in {job_of(r) for r in results()}:
            continue
        row = run(job, shared=SHARED)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(
            f"{job.row}, fold {job.fold}, rate {job.rate:g}: {row['top1']:.3f}, {row['seconds']} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--folds", nargs="+", default=[str(f) for f in range(5)])
    parser.add_argument("--seeds", nargs="+", type=int, default=BUDGET["seeds"])
    parser.add_argument("--data", choices=BUDGET["data"], default="egogestar")
    parser.add_argument("--search", action="store_true", help="choose rates on inner folds")
    parser.add_argument("--share", default="0/1", help="this process's part of the runs: i/n")
    parser.add_argument("--threads", type=int, default=1, help="of torch, in this process")
    parser.add_argument("--table", action="store_true", help="print what was measured so far")
    options = parser.parse_args()
    if options.table:
        print(table(results()))
        return
    torch.set_num_threads(options.threads)
    share, shares = map(int, options.share.split("/"))
    if options.search:
        jobs = list(searches(options.rows))
    else:
        jobs = list(measurements(options.rows, options.folds, options.seeds, options.data))
    work(jobs, share=share, shares=shares)


if __name__ == "__main__":
    main()
