"""How fast videos become clips: this library beside torchcodec, decord and OpenCV.

    python benchmarks/input_pipeline.py           generated H.264 files, some five minutes
    python benchmarks/input_pipeline.py --quick   does the script work?

Three tables. `input_decoding`: milliseconds for the same frames of the same files in one process.
`input_workers`: clips a second of 1, 2 and 4 processes, one decoding thread each, beside the best
two of the others in one process. `input_loader`: clips a second from the training loader, and how
many cores would feed a GPU that takes 500.

Every frame carries its number as a bar code, and what each contender gives is read: who gives other
frames than those asked for is marked, and out of the comparison.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing import cpu_count, get_context
from multiprocessing.pool import Pool, ThreadPool
from pathlib import Path

import torch

from harness import Target, arguments, report, take_turns
from reading.cases import FULL, LOADED, QUICK, SEVERAL, Case, write_files
from reading.decoders import CONTENDERS, why_absent
from reading.numbered import numbers_of
from stillmotion.data.annotations import Sample
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation
from stillmotion.loading import clip_loader

OURS = "stillmotion"
GPU_CLIPS_A_SECOND = 500
SECONDS_A_CASE = 10.0
"""Cases that take longer are measured once."""
CLIPS_A_TURN = 2
"""Of each process, when several take a turn."""


def decoded(name: str, case: Case, folder: Path) -> torch.Tensor:
    """The wanted frames, as one contender gives them."""
    return CONTENDERS[name][1](str(folder / case.file), case.indices, case.size)


def decode_clips(name: str, case: Case, folder: Path, clips: int) -> None:
    """What one process of several does."""
    torch.set_num_threads(1)
    for _ in range(clips):
        decoded(name, case, folder)


def milliseconds(
    case: Case, names: Sequence[str], *, folder: Path, rounds: int
) -> dict[str, tuple[float, bool]]:
    """Of a clip, the median over the rounds, and whether the frames are the right ones."""
    runs = {name: partial(decoded, name, case, folder) for name in names}
    started = time.perf_counter()
    right = {name: numbers_of(run()) == case.indices for name, run in runs.items()}
    fitting = int(SECONDS_A_CASE / (time.perf_counter() - started))
    seconds = take_turns(runs, rounds=max(1, min(rounds, fitting)), warmup=0)
    return {name: (1000 * statistics.median(seconds[name]), right[name]) for name in names}


def decoding_rows(
    cases: Sequence[Case], names: Sequence[str], *, folder: Path, rounds: int
) -> list[dict[str, object]]:
    """A row a case, with this library's time over the best time of the others."""
    rows = []
    for case in cases:
        # Walking through a minute is never the best way, and the slowest.
        taking_part = [name for name in names if case.seconds < 60 or "walking" not in name]
        took = milliseconds(case, taking_part, folder=folder, rounds=rounds)
        rows.append({**case.row(), **dict.fromkeys(names), **_marked(took), **_compared(took)})
    return rows


def best_others(rows: Sequence[Mapping[str, object]], *, names: Sequence[str]) -> list[str]:
    """The two others with the least time in the mean (geometric) over all cases."""
    means = {}
    for name in names:
        times = [time for row in rows if isinstance(time := row[name], float)]
        if name != OURS and len(times) == len(rows):
            means[name] = statistics.geometric_mean(times)
    return sorted(means, key=means.__getitem__)[:2]


def worker_rows(
    cases: Sequence[Case],
    names: Sequence[str],
    *,
    folder: Path,
    pool: Pool,
    counts: Sequence[int],
    rounds: int,
) -> list[dict[str, object]]:
    """A row a case and number of processes, in clips a second."""
    rows = []
    for case in cases:
        for workers in counts:
            jobs = {name: [(name, case, folder, CLIPS_A_TURN)] * workers for name in names}
            runs = {name: partial(pool.starmap, decode_clips, jobs[name], 1) for name in names}
            seconds = take_turns(runs, rounds=rounds)
            took = {name: (statistics.median(seconds[name]), True) for name in names}
            speeds = {name: workers * CLIPS_A_TURN / time for name, (time, _) in took.items()}
            rows.append({"workers": workers, **case.row(), **speeds, **_compared(took)})
    return rows


def loader_rows(
    cases: Sequence[Case], *, folder: Path, counts: Sequence[int], clips: int
) -> list[dict[str, object]]:
    """Clips a second from the training loader, and the cores that a GPU would need."""
    rows = []
    for case in cases:
        samples = [Sample(folder / case.file, label=0)] * clips
        for workers in counts:
            speed = _loaded(samples, case.num_frames, workers)
            each = speed / min(workers, cpu_count())
            rows.append(
                {
                    **case.row(),
                    "workers": workers,
                    "clips a second": speed,
                    "of a core": each,
                    f"cores for {GPU_CLIPS_A_SECOND}": math.ceil(GPU_CLIPS_A_SECOND / each),
                }
            )
    return rows


def _loaded(samples: Sequence[Sample], num_frames: int, workers: int) -> float:
    """Clips a second after a first epoch, which starts the workers."""
    loader = clip_loader(
        samples,
        sampling=Sampling(num_frames=num_frames),
        image_size=224,
        augmentation=Augmentation(),
        batch_size=2,
        workers=workers,
        seed=0,
    )
    sum(len(batch) for batch in loader)
    started = time.perf_counter()
    drawn = sum(len(batch) for batch in loader)
    return drawn / (time.perf_counter() - started)


def _marked(took: Mapping[str, tuple[float, bool]]) -> dict[str, object]:
    return {
        name: time if right else f"{time:.3g}, wrong frames" for name, (time, right) in took.items()
    }


def _compared(took: Mapping[str, tuple[float, bool]]) -> dict[str, object]:
    others = [time for name, (time, right) in took.items() if right and name != OURS]
    return {"over the best other": took[OURS][0] / min(others) if others else None}


def _target(what: str, rows: Sequence[Mapping[str, object]]) -> Target:
    ratios = [row["over the best other"] for row in rows]
    worst = max((ratio for ratio in ratios if isinstance(ratio, float)), default=None)
    return Target(f"{what}: time over the best other's, the worst case", 1.0, worst)


def main(given: Sequence[str] | None = None) -> None:
    """Write the files, measure, print, keep."""
    parser = arguments(__doc__)
    parser.set_defaults(rounds=3)
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    names = [name for name in CONTENDERS if not why_absent(name)]
    notes = [reason for reason in map(why_absent, CONTENDERS) if reason]
    keep = partial(report, notes=notes, device=options.device, out=options.out)
    full, several, loaded = (QUICK,) * 3 if options.quick else (FULL, SEVERAL, LOADED)
    counts = (1,) if options.quick else (1, 2, 4)
    # Spawned: forked processes would share locks that the decoders' threads may hold.
    made = ThreadPool(1) if options.quick else get_context("spawn").Pool(max(counts))
    with tempfile.TemporaryDirectory() as name, made as pool:
        folder = Path(name)
        write_files(full, folder)
        rows = decoding_rows(full, names, folder=folder, rounds=options.rounds)
        keep("input_decoding", rows, targets=[_target("one process", rows)])
        racing = [OURS, *best_others(rows, names=names)]
        rows = worker_rows(
            several, racing, folder=folder, pool=pool, counts=counts, rounds=options.rounds
        )
        keep("input_workers", rows, targets=[_target("several processes", rows)])
        rows = loader_rows(loaded, folder=folder, counts=counts, clips=4 if options.quick else 16)
        keep("input_loader", rows)


if __name__ == "__main__":
    main()
