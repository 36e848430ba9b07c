"""Videos to try without one of one's own."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator

from stillmotion.data.rows import videos_below
from stillmotion.data.synthetic import SHAPES, draw_clip
from stillmotion.data.synthetic.writing import FRAMES_PER_SECOND, encode
from stillmotion.errors import DataError, VideoError
from stillmotion.web.decoding import inspect
from stillmotion.web.limits import Limits
from stillmotion.web.refusal import RefusalError
from stillmotion.web.uploads import refuse_many_bytes

log = logging.getLogger("stillmotion")

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
    """The videos below a folder that the service would take if they were sent, in order.

    Of the others the log says why they are left out.

    Raises:
        DataError: there are none.
    """
    samples: list[Sample] = []
    for path in videos_below(folder):
        name = path.relative_to(folder).as_posix()
        try:
            refuse_many_bytes(path.stat().st_size, limits)
            (told, _), *_ = inspect(path, limits)
        except (VideoError, RefusalError) as error:
            log.warning("%s is left out of the samples: %s", name, error)
            continue
        plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
        samples.append(Sample(f"{len(samples) + 1}-{plain}", name, path, told["seconds"]))
    if not samples:
        raise DataError(
            f"there are no videos within the service's limits in {folder}: name another folder, or "
            "none, and some are drawn"
        )
    return samples
