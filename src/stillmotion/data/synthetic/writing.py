"""Writes a data set of generated videos: real MP4 files in a folder per split and class.

directory/train/moves-right/0000.mp4
directory/test/moves-right/0007.mp4            a held-out clip,
directory/test/moves-left/0007-reversed.mp4    and its twin: the same frames backwards
directory/index.csv                            path, label, shape, split, twin
"""

import csv
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import av
from torch import Generator

from stillmotion.data.progress import Progress
from stillmotion.data.synthetic.drawing import SHAPES
from stillmotion.data.synthetic.motions import MOTIONS, PARTNER, draw_clip
from stillmotion.errors import ConfigurationError, StorageError, unknown
from stillmotion.files import writing
from stillmotion.shapes import Frames

FRAMES_PER_SECOND = 12

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class MotionVideo:
    """A row of `index.csv`. Paths are relative to the directory, with forward slashes."""

    path: str
    label: str
    shape: str
    split: str
    twin: str
    """The video with the same frames backwards; empty where there is none."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A clip that is yet to be drawn, and the one or two videos it becomes."""

    seed: int
    videos: tuple[MotionVideo, ...]
    """The second, where there is one, is written backwards."""


def write_motion_videos(
    directory: str | Path,
    *,
    motions: Sequence[str] = MOTIONS,
    num_train: int = 480,
    num_val: int = 48,
    num_heldout_pairs: int = 200,
    seed: int = 0,
    size: int = 80,
    on_progress: Progress | None = None,
) -> list[MotionVideo]:
    """Draw and write videos; the same arguments write the same frames.

    Motions and shapes are shared out evenly and independently of each other in every split. Every
    clip is drawn on its own: no look, path or seed is shared between splits.

    Args:
        motions: the classes; with each its partner, which a held-out twin is of.
        num_heldout_pairs: clips of the test split, each written twice: as it is and, under its
            partner's label, backwards.
        size: height and width, in pixels; even, as the encoder asks.
        on_progress: called with the number of videos written and of videos in all.

    Returns:
        The rows of `index.csv`: training, validation, held-out; a clip's twin right behind it.

    Raises:
        ConfigurationError: a number is negative, the size is odd, or a partner is missing.
        StorageError: the directory is not empty, or cannot be written.
    """
    numbers = {"train": num_train, "val": num_val, "test": num_heldout_pairs}
    if min(numbers.values()) < 0 or size < 16 or size % 2:
        raise ConfigurationError(
            f"cannot write {numbers} videos of {size} pixels: "
            "numbers are 0 or more, the size is even and at least 16."
        )
    refuse_unpaired(motions)
    plans = [plan for split in _SPLITS for plan in _plan(split, numbers[split], motions, seed=seed)]
    videos = [video for plan in plans for video in plan.videos]
    root = Path(directory)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise StorageError(f"{root} is not empty: choose a new directory, or empty this one.")
        written = 0
        # Drawing and encoding leave Python's lock; threads start quicker than processes.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for plan in pool.map(lambda plan: _carry_out(plan, root, size=size), plans):
                written += len(plan.videos)
                if on_progress is not None:
                    on_progress(written, len(videos))
        _write_index(root / "index.csv", videos)
    except StorageError:
        raise
    except (OSError, av.FFmpegError) as error:
        reason = error.strerror or error
        raise StorageError(f"cannot write the videos to {root}: {reason}") from error
    return videos


def refuse_unpaired(motions: Sequence[str]) -> None:
    """Every motion is known, and so is what it becomes backwards.

    Raises:
        ConfigurationError: which is not.
    """
    for motion in motions:
        if motion not in PARTNER:
            raise ConfigurationError(unknown("motion", motion, MOTIONS))
        if PARTNER[motion] not in motions:
            raise ConfigurationError(f"{motion!r} backwards is {PARTNER[motion]!r}: give both")
    if not motions:
        raise ConfigurationError(f"no motion to draw: choose pairs among {', '.join(MOTIONS)}")


def _plan(split: str, number: int, motions: Sequence[str], *, seed: int) -> list[_Plan]:
    plans = []
    for i in range(number):
        # Every motion meets every shape once in 72 clips, where all are drawn.
        label, shape = motions[i % len(motions)], SHAPES[i // len(motions) % len(SHAPES)]
        path, twin = f"{split}/{label}/{i:04d}.mp4", ""
        if split == "test":
            twin = f"{split}/{PARTNER[label]}/{i:04d}-reversed.mp4"
        video = MotionVideo(path=path, label=label, shape=shape, split=split, twin=twin)
        backwards = replace(video, path=twin, label=PARTNER[label], twin=path)
        own_seed = random.Random(f"{seed} {split} {i}").getrandbits(63)
        plans.append(_Plan(seed=own_seed, videos=(video, backwards) if twin else (video,)))
    return plans


def _carry_out(plan: _Plan, root: Path, *, size: int) -> _Plan:
    video = plan.videos[0]
    generator = Generator().manual_seed(plan.seed)
    frames = draw_clip(video.label, shape=video.shape, generator=generator, size=size)
    for video, ordered in zip(plan.videos, (frames, frames.flip(0)), strict=False):
        with writing(root / video.path) as file:
            encode(ordered, file.name)
    return plan


def encode(frames: Frames, path: str | Path) -> None:
    """Write frames as an MP4 file: H.264, or MPEG-4 part 2 where FFmpeg cannot encode it."""
    height, width = frames.shape[-2:]
    with av.open(path, "w", format="mp4") as container:
        if "libx264" in av.codecs_available:
            # x264's look ahead made a few clips in a hundred differ from run to run.
            steady = {"threads": "1", "x264-params": "rc-lookahead=0:mbtree=0"}
            options = {"preset": "veryfast", "crf": "20", **steady}
            stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=options)
        else:
            options = {"qmin": "2", "qmax": "3"}
            stream = container.add_stream("mpeg4", rate=FRAMES_PER_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames.permute(0, 2, 3, 1).contiguous().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _write_index(path: Path, videos: Sequence[MotionVideo]) -> None:
    with writing(path, "w") as file:
        rows = csv.DictWriter(file, [field.name for field in fields(MotionVideo)])
        rows.writeheader()
        rows.writerows(asdict(video) for video in videos)
