"""How fast videos become clips: this library beside torchcodec, decord and OpenCV.

    python benchmarks/input_pipeline.py           generated H.264 files, about five minutes
    python benchmarks/input_pipeline.py --quick   does the script work?

Three tables. `input_decoding`: the same frames of the same files in one process. `input_workers`:
in 1, 2 and 4 processes, one decoding thread each. `input_loader`: clips a second from the training
loader, and how many cores would feed a GPU that takes 500.

The files carry each frame's number as a bar code, and every contender's frames are read: who gives
other frames than those asked for is marked, and out of the comparison.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import torch

from harness import Target, arguments, report, take_turns
from reading.decoders import CONTENDERS, why_absent
from reading.numbered import numbers_of, write_numbered
from stillmotion.data.annotations import Sample
from stillmotion.data.decoder import scaled_size
from stillmotion.data.sampling import Sampling
from stillmotion.data.transforms import Augmentation
from stillmotion.loading import clip_loader

FPS = 25
SHORT_SIDE = 256
GPU_CLIPS_A_SECOND = 500
SECONDS_A_CASE = 12.0
"""What a case may take in all; the slowest are measured once instead of dropped."""


@dataclass(frozen=True)
class Case:
    """A file, and how many of its frames are wanted."""

    height: int
    width: int
    seconds: int
    keyframe_every: int
    num_frames: int

    @property
    def file(self) -> str:
        return f"{self.width}x{self.height}-{self.seconds}s-{self.keyframe_every}.mp4"

    @property
    def indices(self) -> list[int]:
        """The middles of equal parts."""
        length = self.seconds * FPS
        return [int((part + 0.5) * length / self.num_frames) for part in range(self.num_frames)]

    @property
    def size(self) -> tuple[int, int]:
        return scaled_size(self.height, self.width, short_side=SHORT_SIDE)

    @property
    def is_light(self) -> bool:
        """Whether several processes are done with it in good time."""
        return self.height * self.seconds * self.keyframe_every < 1080 * 60 * 12 * 2

    def row(self) -> dict[str, object]:
        """How the case begins its row of a table."""
        return {
            "file": f"{self.width}x{self.height}, {self.seconds} s",
            "keyframe every": self.keyframe_every,
            "frames": self.num_frames,
        }


FULL = [
    Case(height, width, seconds, keyframe_every, num_frames)
    for height, width in ((256, 340), (1080, 1920))
    for seconds in (10, 60)
    for keyframe_every in (12, 250)
    for num_frames in (8, 16)
]
QUICK = [Case(256, 340, 1, 12, 4)]


def decoded(name: str, case: Case, folder: Path) -> torch.Tensor:
    """The wanted frames, as one contender gives them."""
    return CONTENDERS[name][1](str(folder / case.file), case.indices, case.size)


def is_right(name: str, case: Case, folder: Path) -> bool:
    """Whether a contender gives the frames that were asked for."""
    return numbers_of(decoded(name, case, folder)) == case.indices


def compare(case: Case, names: Sequence[str], *, folder: Path, rounds: int) -> dict[str, float]:
    """Milliseconds a clip, the median over the rounds."""
    runs = {name: partial(decoded, name, case, folder) for name in names}
    started = time.perf_counter()
    for run in runs.values():
        run()
    once = time.perf_counter() - started
    fitting = max(1, min(rounds, int(SECONDS_A_CASE / once)))
    seconds = take_turns(runs, rounds=fitting, warmup=0)
    return {name: 1000 * statistics.median(times) for name, times in seconds.items()}


def decode_many(name: str, case: Case, folder: Path, clips: int) -> None:
    """What one process of several does."""
    torch.set_num_threads(1)
    for _ in range(clips):
        decoded(name, case, folder)


def clips_a_second(
    name: str, case: Case, *, folder: Path, pool: Pool, workers: int, lasting: float
) -> float:
    """Of several processes together, in about ``lasting`` seconds after a first clip each."""
    jobs = [(name, case, folder, 1)] * workers
    started = time.perf_counter()
    pool.starmap(decode_many, jobs, chunksize=1)
    clips = math.ceil(lasting / (time.perf_counter() - started))
    jobs = [(name, case, folder, clips)] * workers
    started = time.perf_counter()
    pool.starmap(decode_many, jobs, chunksize=1)
    return workers * clips / (time.perf_counter() - started)


def decoding_table(
    cases: Sequence[Case], names: Sequence[str], *, folder: Path, rounds: int
) -> tuple[list[dict[str, object]], float]:
    """Rows in milliseconds, and the worst ratio to the best of the others."""
    rows, ratios = [], []
    for case in cases:
        right = [name for name in names if is_right(name, case, folder)]
        took = compare(case, names, folder=folder, rounds=rounds)
        row, worst = _compared(case, took, right, lower_is_better=True)
        rows.append(row)
        ratios.append(worst)
    return rows, max(ratios)


def worker_table(
    cases: Sequence[Case],
    names: Sequence[str],
    *,
    folder: Path,
    counts: Sequence[int],
    lasting: float,
) -> tuple[list[dict[str, object]], float]:
    """Rows in clips a second, and the worst ratio of the best of the others to this library."""
    rows, ratios = [], []
    # Forked processes would share locks that the decoders' threads may hold.
    with get_context("spawn").Pool(max(counts)) as pool:
        for case in cases:
            right = [name for name in names if is_right(name, case, folder)]
            for workers in counts:
                speeds = {
                    name: clips_a_second(
                        name, case, folder=folder, pool=pool, workers=workers, lasting=lasting
                    )
                    for name in names
                }
                row, worst = _compared(case, speeds, right, lower_is_better=False)
                rows.append({"workers": workers, **row})
                ratios.append(worst)
    return rows, max(ratios)


def _compared(
    case: Case, figures: dict[str, float], right: Sequence[str], *, lower_is_better: bool
) -> tuple[dict[str, object], float]:
    """A row with every contender's figure, and how this library's time compares to the best's."""
    assert "stillmotion" in right, f"wrong frames from {case.file}"
    others = [figures[name] for name in right if name != "stillmotion"]
    own = figures["stillmotion"]
    if lower_is_better:
        ratio = own / min(others, default=math.inf)
    else:
        ratio = max(others, default=0.0) / own
    told: dict[str, object] = {
        name: figure if name in right else f"{figure:.3g}, wrong frames"
        for name, figure in figures.items()
    }
    return {**case.row(), **told, "to the best other": ratio}, ratio


def loader_table(
    cases: Sequence[Case], *, folder: Path, counts: Sequence[int], clips: int
) -> list[dict[str, object]]:
    """Clips a second from the training loader, and what a GPU would need."""
    cores = torch.multiprocessing.cpu_count()
    rows = []
    for case in cases:
        samples = [Sample(folder / case.file, label=0)] * clips
        for workers in counts:
            speed = _loaded(samples, case.num_frames, workers)
            each = speed / max(1, min(workers, cores))
            rows.append(
                {
                    **case.row(),
                    "workers": workers,
                    "clips a second": speed,
                    "a core": each,
                    f"cores for {GPU_CLIPS_A_SECOND} a second": math.ceil(
                        GPU_CLIPS_A_SECOND / each
                    ),
                }
            )
    return rows


def _loaded(samples: Sequence[Sample], num_frames: int, workers: int) -> float:
    """Clips a second, from the first batch to the last: workers that start are not counted."""
    loader = clip_loader(
        samples,
        sampling=Sampling(num_frames=num_frames),
        image_size=224,
        augmentation=Augmentation(),
        batch_size=2,
        workers=workers,
        seed=0,
    )
    batches = iter(loader)
    drawn, started = -len(next(batches)), time.perf_counter()
    drawn = sum(len(batch) for batch in batches)
    return drawn / (time.perf_counter() - started)


def write_files(cases: Sequence[Case], folder: Path) -> None:
    """Every file that the cases name, once."""
    for case in {case.file: case for case in cases}.values():
        write_numbered(
            folder / case.file,
            height=case.height,
            width=case.width,
            num_frames=case.seconds * FPS,
            fps=FPS,
            keyframe_every=case.keyframe_every,
        )


def main(given: Sequence[str] | None = None) -> None:
    """Write the files, measure, print, keep."""
    parser = arguments(__doc__)
    parser.set_defaults(rounds=3)
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    absent = [reason for reason in map(why_absent, CONTENDERS) if reason]
    names = [name for name in CONTENDERS if not why_absent(name)]
    cases, counts = (QUICK, [1]) if options.quick else (FULL, [1, 2, 4])
    keep = {"notes": absent, "device": options.device, "out": options.out}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(cases, folder)
        rows, ratio = decoding_table(cases, names, folder=folder, rounds=options.rounds)
        target = Target("a clip, over the best of the others, the worst case", 1.0, ratio)
        report("input_decoding", rows, targets=[target], **keep)
        several = [case for case in cases if case.num_frames <= 8 and case.is_light]
        rows, ratio = worker_table(
            several, names, folder=folder, counts=counts, lasting=0.01 if options.quick else 1.5
        )
        target = Target("a clip in several processes, the same", 1.0, ratio)
        report("input_workers", rows, targets=[target], **keep)
        rows = loader_table(several, folder=folder, counts=counts, clips=4 if options.quick else 16)
        report("input_loader", rows, **keep)


if __name__ == "__main__":
    main()
