"""A folder of numbered images is a video: img_00001.jpg, img_00002.jpg, ...

Any prefix, any zero padding, any first number; the numbers rise by one. Images are turned upright
as their EXIF data ask, like every image and video here. Hidden files and files that are no images
are passed over, and so are the optical flow's images (flow_x_00001.jpg) where frames lie beside
them, as dense-flow tools write both into one folder.
"""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError, __version__

from stillmotion.data.container import MAX_PIXELS
from stillmotion.data.decoder import Decodable, Decoder, Frame, scaled_size
from stillmotion.data.suffixes import is_image_name, is_video_name
from stillmotion.data.timeline import Timeline
from stillmotion.errors import Problem, VideoError, some

FRAME_RATE = 30.0
"""Frames a second where nobody says otherwise. It turns a segment's seconds into frames, and is of
no consequence where a sample is a whole folder."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_COLOURS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
_NUMBERED = re.compile(r"(.*?)(\d+)$", re.ASCII)


class FrameFolder(Decoder):
    """Decodes the images of a folder with Pillow.

    Args:
        rate: frames a second.

    Raises:
        VideoError: the first of `problems(folder)`.
    """

    name = f"pillow {__version__}"

    def __init__(self, path: Path, *, num_threads: int = 1, rate: float = FRAME_RATE) -> None:
        if not 0 < rate < float("inf"):
            raise VideoError(f"{path}: frames a second must be positive, got {rate}")
        listing = _listing(path)
        if listing.faults:
            raise VideoError(f"{path}: {listing.faults[0][1]}")
        self._files = listing.files
        self._size: tuple[int, int] | None = None
        starts = tuple(index / rate for index in range(len(self._files)))
        self.timeline = Timeline(starts, len(self._files) / rate)

    @property
    def size(self) -> tuple[int, int]:
        if self._size is None:
            next(self.frames([0], short_side=None))
        assert self._size
        return self._size

    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        for index in indices:
            yield self._read(self._files[index], short_side=short_side)

    def decodable(self) -> Decodable:
        for count, file in enumerate(self._files):
            try:
                self._read(file, short_side=None)
            except VideoError as error:
                return Decodable(count, str(error))
        return Decodable(len(self._files), None)

    def close(self) -> None:
        """Nothing stays open between two frames."""

    def _read(self, file: Path, *, short_side: int | None) -> Frame:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                frame, full_size = _upright(image, file, short_side=short_side)
        except UnidentifiedImageError as error:
            raise VideoError(f"{file}: damaged, or not an image") from error
        # Pillow's plug-ins raise SyntaxError and ValueError over damaged headers.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise VideoError(f"{file}: {error}") from error
        self._size = self._size or full_size
        if full_size != self._size:
            height, width = full_size
            raise VideoError(
                f"{file}: {width} x {height} pixels, where other frames of the folder have "
                f"{self._size[1]} x {self._size[0]}"
            )
        return frame


def _upright(
    image: Image.Image, file: Path, *, short_side: int | None
) -> tuple[Frame, tuple[int, int]]:
    """An image's pixels, scaled and turned, and its height and width when upright, unscaled."""
    if image.width * image.height > MAX_PIXELS:
        raise VideoError(f"{file}: {image.width} x {image.height} pixels; at most {MAX_PIXELS}")
    if image.mode not in _COLOURS:
        raise VideoError(f"{file}: {image.mode} pixels of more than 8 bits are not read")
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    full_size = (image.width, image.height) if turned else (image.height, image.width)
    height, width = scaled_size(image.height, image.width, short_side=short_side)
    image.draft("RGB", (width, height))
    upright = ImageOps.exif_transpose(image).convert("RGB")
    wanted = (height, width) if turned else (width, height)
    if upright.size != wanted:
        upright = upright.resize(wanted, Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(upright)).permute(2, 0, 1), full_size


class _Listing(NamedTuple):
    files: list[Path]
    """The frames in order; of no use where there are faults."""
    faults: list[tuple[str, str]]
    """What kind of fault, and what it is."""


def is_frame_folder(path: Path) -> bool:
    """Whether the files that lie directly in a folder are frames; false for everything else."""
    if not path.is_dir():
        return False
    with os.scandir(path) as entries:
        return are_frames([entry.name for entry in entries if not entry.is_dir()])


def are_frames(names: Collection[str]) -> bool:
    """Whether files of these names, together in a folder, are the frames of a video.

    There are numbered images, and no video whose thumbnails these might be; whatever else lies
    beside them is of no consequence.
    """
    return not any(map(is_video_name, names)) and any(map(is_numbered_image, names))


def is_numbered_image(name: str) -> bool:
    """Whether a file's name is that of a frame."""
    return is_image_name(name) and bool(_NUMBERED.match(Path(name).stem))


def frame_files(folder: Path) -> list[Path]:
    """The images of a folder in the order of their numbers.

    Raises:
        VideoError: the first of `problems(folder)`.
    """
    listing = _listing(folder)
    if listing.faults:
        raise VideoError(f"{folder}: {listing.faults[0][1]}")
    return listing.files


def problems(folder: Path) -> list[Problem]:
    """What the names of a folder's images tell is wrong with it; no image is opened."""
    return [Problem(str(folder), kind, what) for kind, what in _listing(folder).faults]


def _listing(folder: Path) -> _Listing:
    try:
        images = sorted(file for file in folder.iterdir() if is_image_name(file.name))
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read: {error.strerror}") from error
    if not images:
        return _Listing([], [("empty folder", "no images in this folder")])
    numbered = [(file, _NUMBERED.match(file.stem)) for file in images]
    faults = []
    if unnumbered := [file.name for file, match in numbered if match is None]:
        faults.append(("frames without number", f"images without a number: {some(unnumbered)}"))
    series: dict[str, dict[int, list[Path]]] = {}
    for file, match in numbered:
        if match:
            same = series.setdefault(match[1], {}).setdefault(int(match[2]), [])
            same.append(file)
    frames = {name: files for name, files in series.items() if not name.startswith("flow_")}
    series = frames or series
    if len(series) > 1:
        names = some([f"{name}*" for name in sorted(series)])
        faults.append(("two series", f"more than one series of images: {names}; keep one"))
    for files in series.values():
        faults += _faults(files)
    files = next(iter(series.values()), {})
    return _Listing([files[number][0] for number in sorted(files)], faults)


def _faults(files: dict[int, list[Path]]) -> list[tuple[str, str]]:
    """What is wrong with one series."""
    faults = []
    if twice := [", ".join(f.name for f in same) for same in files.values() if len(same) > 1]:
        faults.append(("frame twice", f"several images of one number: {some(twice)}"))
    numbers = sorted(files)
    gaps = [
        str(low + 1) if high == low + 2 else f"{low + 1} to {high - 1}"
        for low, high in pairwise(numbers)
        if high > low + 1
    ]
    if gaps:
        first = files[numbers[0]][0].name
        faults.append(
            ("gaps", f"frames are missing in the series that begins with {first}: {some(gaps)}")
        )
    return faults
