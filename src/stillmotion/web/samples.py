"""Videos to try without one of one's own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator

from stillmotion.data.rows import videos_below
from stillmotion.data.synthetic import SHAPES, draw_clip
from stillmotion.data.synthetic.writing import FRAMES_PER_SECOND, encode
from stillmotion.data.video import open_video
from stillmotion.errors import DataError, VideoError
from stillmotion.web.limits import Limits

DRAWN = (
    ("moves-right",),
    ("turns-clockwise",),
    ("grows", "shrinks"),
    ("moves-left", "turns-anticlockwise", "vanishes", "brightens"),
)
"""What happens in each sample, one motion after the other."""

SIDE = 160
"""Pixels of a drawn sample, each way."""


@dataclass(frozen=True)
class Sample:
    """One of them."""

    id: str
    name: str
    path: Path
    seconds: float


def draw_samples(folder: Path) -> list[Sample]:
    """Writes four short videos, of one motion and of several in a row; always the same ones."""
    folder.mkdir(parents=True)
    samples = []
    for number, motions in enumerate(DRAWN):
        generator = Generator().manual_seed(number)
        shape = SHAPES[number]
        frames = torch.cat(
            [draw_clip(name, shape=shape, generator=generator, size=SIDE) for name in motions]
        )
        name = ", then ".join(motions)
        path = folder / f"{number + 1}.mp4"
        encode(frames, path)
        samples.append(Sample(path.stem, name, path, len(frames) / FRAMES_PER_SECOND))
    return samples


def find_samples(folder: Path, limits: Limits) -> Sequence[Sample]:
    """The videos below a folder that the service may be asked about, in order.

    Raises:
        DataError: there are none.
    """
    samples: list[Sample] = []
    for path in videos_below(folder):
        name = path.relative_to(folder).as_posix()
        try:
            with open_video(path) as video:
                seconds = video.duration_seconds
        except VideoError:
            continue
        if seconds <= limits.max_seconds and path.stat().st_size <= limits.max_bytes:
            plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
            samples.append(Sample(f"{len(samples) + 1}-{plain}", name, path, seconds))
    if not samples:
        raise DataError(f"there are no videos within the service's limits in {folder}")
    return samples
