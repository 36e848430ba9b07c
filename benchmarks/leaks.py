"""Whether anything grows: ten thousand clips through the training loader, an hour of frames.

    python benchmarks/leaks.py                 one CPU core, some quarter of an hour

One table, leaks: each row is a new process that reads clips of small generated videos epoch after
epoch, from files, kept frames and tars, or that shows 90 000 frames to a tiny model (an hour at 25
a second) through `Stream`, `SlidingWindow`, and `watch` with a file that is decoded meanwhile.
Memory is resident memory, that of the workers with it; it, open files and threads are looked at 40
times, and the first quarter of these stands beside the last.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import psutil
import timm
import torch

from harness import Target, arguments, report
from long_video import FPS, write_film
from stillmotion.data.annotations import Sample
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.frame_store import FrameStore
from stillmotion.data.live import Live
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.shard_writing import write_shards
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.data.transforms import Augmentation
from stillmotion.loading import clip_loader
from stillmotion.methods import AIM, AMFlow, Method
from stillmotion.model import VideoClassifier, adapt
from stillmotion.streaming import SlidingWindow, Stream
from stillmotion.watching import Pace, Watcher, watch

CLIPS, HOUR, LOOKS = 10_000, 3600 * FPS, 40
QUICK = 80
TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "num_heads": 3, "depth": 1}
SIZE = 48
"""Pixels of a clip, each way."""


@dataclass(frozen=True)
class Held:
    """What this process and its children hold just now."""

    megabytes: float
    files: int
    threads: int


def held() -> Held:
    """As the system tells it."""
    own = psutil.Process()
    family = [own, *own.children(recursive=True)]
    handles = "num_handles" if sys.platform == "win32" else "num_fds"
    return Held(
        megabytes=sum(process.memory_info().rss for process in family) / 1e6,
        files=sum(getattr(process, handles)() for process in family),
        threads=sum(process.num_threads() for process in family),
    )


@dataclass(frozen=True)
class Growth:
    """What is held in the first quarter of so many steps, and in the last."""

    first: Held
    last: Held
    number: int

    @property
    def bytes_each(self) -> float:
        """What each step left behind."""
        return 1e6 * (self.last.megabytes - self.first.megabytes) / (0.75 * self.number)


def growth(steps: Iterator[object], *, number: int) -> Growth:
    """What is held in the course of so many steps, looked at `LOOKS` times, evenly."""
    seen: list[Held] = []
    for step in range(1, number + 1):
        next(steps)
        if step * LOOKS // number > len(seen):
            seen.append(held())
    return Growth(together(seen[: LOOKS // 4]), together(seen[-(LOOKS // 4) :]), number)


def together(seen: Sequence[Held]) -> Held:
    """The median of memory, and the most files and threads."""
    return Held(
        megabytes=median(one.megabytes for one in seen),
        files=max(one.files for one in seen),
        threads=max(one.threads for one in seen),
    )


def grown(what: str, number: int) -> dict[str, object]:
    """The first quarter beside the last, of one thing that is done so often."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        told = growth(WHAT[what](Path(folder), number), number=number)
    return {
        "what": what,
        "how often": number,
        "MB, first quarter": told.first.megabytes,
        "MB, last quarter": told.last.megabytes,
        "bytes more each time": told.bytes_each,
        "open files": f"{told.first.files}, {told.last.files}",
        "threads": f"{told.first.threads}, {told.last.threads}",
    }


def videos_in(folder: Path) -> Sequence[Sample]:
    """Two dozen small videos."""
    write_motion_videos(folder / "videos", num_train=24, num_val=0, num_heldout_pairs=0)
    return read_videos(folder / "videos" / "train").samples


def clips(
    samples: Sequence[Sample], *, size: int = SIZE, workers: int = 0, **kept: object
) -> Iterator[object]:
    """Batches of one clip, epoch after epoch."""
    loader = clip_loader(
        samples,
        sampling=Sampling(num_frames=8),
        image_size=size,
        augmentation=Augmentation(),
        batch_size=1,
        workers=workers,
        seed=0,
        **kept,  # type: ignore[arg-type]
    )
    for epoch in count():
        loader.dataset.set_epoch(epoch)  # type: ignore[attr-defined]
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        yield from loader


def from_files(folder: Path, number: int) -> Iterator[object]:
    """Decoded each time, in this process."""
    return clips(videos_in(folder))


def from_workers(folder: Path, number: int) -> Iterator[object]:
    """Decoded each time, by two others."""
    return clips(videos_in(folder), workers=2)


def from_memory(folder: Path, number: int) -> Iterator[object]:
    """Decoded once."""
    samples = videos_in(folder)
    return clips(samples, keep=FrameStore(samples, short_side=SIZE).fill())


def from_cache(folder: Path, number: int) -> Iterator[object]:
    """Decoded once, to files."""
    return clips(videos_in(folder), cache=FrameCache(folder / "cache", max_bytes=2**30))


def from_tars(folder: Path, number: int) -> Iterator[object]:
    """Decoded each time, out of tars."""
    videos_in(folder)
    videos = read_videos(folder / "videos" / "train")
    written = write_shards(videos, folder / "shards", shard_bytes=50_000)
    return clips(read_videos(written.manifest).samples)


def model_of(method: Method) -> VideoClassifier:
    """A tiny video model."""
    image = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, **TINY)
    return adapt(image, method, num_classes=3, num_frames=8)


def streamed(folder: Path, number: int) -> Iterator[object]:
    """Frame by frame through `Stream`."""
    method = replace(
        AMFlow.streaming(), placement="parallel", flow_blocks=(0,), adapter_blocks=(0,)
    )
    return map(Stream(model_of(method)), noise())


def slid(folder: Path, number: int) -> Iterator[object]:
    """Frame by frame through `SlidingWindow`."""
    return map(SlidingWindow(model_of(AIM())), noise())


def watched(folder: Path, number: int) -> Iterator[object]:
    """As `stillmotion watch FILE --fast --every 1`."""
    film = write_film(folder / "film.mp4", seconds=1, repeats=-(-number // FPS))
    with Live(film, fast=True) as live:
        yield from watch(Watcher(model_of(AIM())), live, pace=Pace(every=1))


def noise() -> Iterator[torch.Tensor]:
    """Frames that all differ."""
    side = TINY["img_size"]
    while True:
        yield torch.randint(256, (3, side, side), dtype=torch.uint8)


WHAT: Mapping[str, Callable[[Path, int], Iterator[object]]] = {
    "clips, files": from_files,
    "clips, files, 2 workers": from_workers,
    "clips, kept in memory": from_memory,
    "clips, kept on disk": from_cache,
    "clips, tars": from_tars,
    "frames, Stream": streamed,
    "frames, SlidingWindow": slid,
    "frames, watch": watched,
}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and report."""
    told = arguments(__doc__).parse_args(given)
    if told.quick:
        rows = [grown(what, QUICK) for what in islice(WHAT, 0, None, 5)]
    else:
        # A process each: what one has given back would hide what the next one takes.
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            numbers = [CLIPS if what.startswith("clips") else HOUR for what in WHAT]
            rows = list(pool.map(grown, WHAT, numbers))
    most = max(float(row["bytes more each time"]) for row in rows)  # type: ignore[arg-type]
    target = Target("what a clip or a frame leaves behind, at most", 100.0, most, unit="bytes")
    report("leaks", rows, targets=() if told.quick else (target,), out=told.out)


if __name__ == "__main__":
    main()
