"""Clips a second from files, tars, folders of images and kept frames, on generated videos.

    python benchmarks/data_reading.py                          96 videos of 320 pixels, 5 rounds
    python benchmarks/data_reading.py --json reading.json

One process draws one training clip of each video: from opening the file to the square crop. The
ways of reading take turns, round by round, so that what else the machine does meets all of them.
The operating system keeps files of this size in memory: disks are not measured.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from stillmotion.data.annotations import VideoList
from stillmotion.data.frame_cache import FrameCache
from stillmotion.data.reading import read_videos
from stillmotion.data.sampling import Sampling
from stillmotion.data.shard_writing import write_shards
from stillmotion.data.synthetic import write_motion_videos
from stillmotion.data.transforms import Augmentation
from stillmotion.data.video import open_video
from stillmotion.loading import clip_loader

IMAGE_SIZE = 224


def as_folders(videos: VideoList, folder: Path) -> VideoList:
    """The same videos as folders of JPEG images."""
    samples = []
    for number, sample in enumerate(videos.samples):
        path = folder / f"{number:05d}"
        path.mkdir(parents=True)
        with open_video(sample.path) as video:
            frames = video.frames_at(range(len(video))).data
        for index, frame in enumerate(frames, start=1):
            picture = Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())
            picture.save(path / f"img_{index:05d}.jpg", quality=95)
        samples.append(replace(sample, path=path))
    return replace(videos, samples=tuple(samples))


def clips_a_second(videos: VideoList, epoch: int, cache: FrameCache | None) -> float:
    """One epoch of training clips in this process, as training draws them."""
    loader = clip_loader(
        videos.samples,
        sampling=Sampling(num_frames=8),
        image_size=IMAGE_SIZE,
        augmentation=Augmentation(),
        batch_size=8,
        workers=0,
        seed=0,
        cache=cache,
    )
    loader.dataset.set_epoch(epoch)
    started = time.perf_counter()
    drawn = sum(len(batch) for batch in loader)
    assert drawn == len(videos), "a video was not read"
    return drawn / (time.perf_counter() - started)


@contextmanager
def ways(num_videos: int, size: int) -> Iterator[dict[str, tuple[VideoList, FrameCache | None]]]:
    """The same videos in every form; the kept frames are all there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = {"num_train": num_videos, "num_val": 0, "num_heldout_pairs": 0}
        write_motion_videos(folder / "files", **numbers, size=size)
        files = read_videos(folder / "files" / "index.csv")
        tars = read_videos(write_shards(files, folder / "tars", shard_bytes=2**20).manifest)
        cache = FrameCache(folder / "cache", max_bytes=2**34)
        clips_a_second(files, 0, cache)
        kept = sum(path.stat().st_size for path in cache.directory.rglob("*.records"))
        stored = sum(sample.path.stat().st_size for sample in files.samples)
        print(f"kept frames take {kept / stored:.1f} times the room of the files")
        yield {
            "files": (files, None),
            "tars": (tars, None),
            "folders of images": (as_folders(files, folder / "images"), None),
            "kept frames": (files, cache),
        }


def measure(num_videos: int, size: int, rounds: int) -> dict[str, list[float]]:
    """Clips a second of each way, round by round."""
    speeds: dict[str, list[float]] = {}
    with ways(num_videos, size) as forms:
        for turn in range(rounds):
            for name, (videos, cache) in forms.items():
                speeds.setdefault(name, []).append(clips_a_second(videos, turn, cache))
    return speeds


def table(speeds: dict[str, list[float]]) -> str:
    """Median, least and most, and the ratio to files, as Markdown."""
    lines = ["| read from | clips a second (least, most) | to files |", "|---|---|---|"]
    files = statistics.median(speeds["files"])
    for name, values in speeds.items():
        middle = statistics.median(values)
        span = f"{middle:.1f} ({min(values):.1f}, {max(values):.1f})"
        lines.append(f"| {name} | {span} | {middle / files:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=96)
    parser.add_argument("--size", type=int, default=320, help="height and width of the videos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None, help="file for every single figure")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speeds = measure(options.videos, options.size, options.rounds)
    print(table(speeds))
    if options.json:
        told = {
            "videos": options.videos,
            "size": options.size,
            "processors": os.cpu_count(),
            "clips_a_second": speeds,
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
