"""Decoded frames on disk, small, as JPEG: from the second epoch on, no video is decoded.

    cache/<video>/<state of the file>/timeline.records     when each frame is shown
                                      256-00003.records    frames 96 to 127, their short side 256

The unit is a part of `PART` frames in a row. It is made when one of its frames is first asked for,
so that a segment of an hour-long video takes room for the segment and not for the hour. Files are
written under temporary names and renamed, and carry checksums: an interruption leaves no bad part,
two processes that make the same one write the same bytes, and a damaged one is made anew. A video
that has changed has another state; what was kept of the old one is removed. Another decoder, or
another rate of a folder of images, makes it another video.

Frames come out as their JPEG says whether or not they were kept: results do not depend on what the
cache holds. Where the room is used up nothing more is added and nothing thrown out. Each epoch asks
for all videos, and throwing out the one used longest ago would throw out what is needed next.
"""

import hashlib
import io
import json
import shutil
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stillmotion.data.contents import Stamp, stamp_of
from stillmotion.data.decoder import Decodable, Decoder, Frame
from stillmotion.data.records import DamagedError, read_records, write_records
from stillmotion.data.room import Room
from stillmotion.data.timeline import Timeline
from stillmotion.errors import StorageError, VideoError

PART = 32
"""Frames that are decoded, kept and thrown away together: about a second."""
QUALITY = 95
"""Of the JPEG files, with colour at half the resolution as in nearly all videos. On 32 frames of
real videos at 256 pixels it changes 1.4 of 255 levels in the mean and takes 19 kB a frame."""

_TIMELINE = "timeline.records"
_LOST = (OSError, DamagedError)
"""What is not there, or is no longer what was written, is made anew."""


class FrameCache:
    """A folder of decoded frames, which any number of processes and runs may share.

        cache = FrameCache("cache", max_bytes=20 * 2**30)
        with open_video("wave.mp4", cache=cache) as video:
            clip = video.frames_at([0, 10, 20], short_side=256)

    Frames of each size that is asked for are kept on their own; those in the size of the file,
    which would take the most room, are decoded as ever.

    Args:
        max_bytes: the folder grows no further, whatever it holds; see `Room`.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, directory: str | Path, *, max_bytes: int) -> None:
        self.directory = Path(directory)
        self.room = Room(self.directory, max_bytes=max_bytes)

    def decoder(self, path: Path, source: Callable[[], Decoder], *, origin: str) -> Decoder:
        """A decoder of what is kept, which opens the source for the rest alone.

        Args:
            origin: the source in words. What another one gave, in other moments or pixels, is kept
                apart.

        Raises:
            VideoError: nothing is kept of the video, and the source cannot be opened.
        """
        try:
            return CachedDecoder(self, self._entry(path, origin), source)
        except VideoError:  # one that is damaged at its start is not kept; the rest may decode
            return source()

    def add(self, path: Path, records: Sequence[bytes]) -> None:
        """Keeps records where there is room; a disk that refuses them is as good as full."""
        if not self.room.take(sum(map(len, records))):
            return
        try:
            write_records(path, records)
        except StorageError as error:
            self.room.refuse(str(error))

    def _entry(self, path: Path, origin: str) -> Path:
        """The folder for a video in its present state; folders of other states are removed."""
        place = json.dumps([str(path.absolute()), origin, PART, QUALITY])
        folder = self.directory / hashlib.sha256(place.encode()).hexdigest()[:32]
        entry = folder / _name(stamp_of(path))
        with suppress(OSError):  # nothing is kept yet, or another process is removing it
            for other in folder.iterdir():
                if other.name != entry.name:
                    shutil.rmtree(other, ignore_errors=True)
        return entry


class CachedDecoder(Decoder):
    """What a cache keeps of one video, and the video itself for what it does not."""

    def __init__(self, cache: FrameCache, entry: Path, source: Callable[[], Decoder]) -> None:
        self._cache, self._entry, self._open = cache, entry, source
        self._opened: Decoder | None = None
        self.timeline, self._size = self._known() or self._learned()

    @property
    def name(self) -> str:  # type: ignore[override]
        """The library that decodes what is not kept, and the cache."""
        return f"{self._source.name}, through JPEG of quality {QUALITY}"

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        if short_side is None:
            yield from self._source.frames(indices, short_side=None)
            return
        short_side = min(short_side, *self._size)
        for part, wanted in groupby(indices, lambda index: index // PART):
            yield from (_picture(jpeg) for jpeg in self._jpegs(part, list(wanted), short_side))

    def decodable(self) -> Decodable:
        return self._source.decodable()

    def close(self) -> None:
        if self._opened:
            self._opened.close()
        self._opened = None

    @property
    def _source(self) -> Decoder:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _known(self) -> tuple[Timeline, tuple[int, int]] | None:
        """The timeline and the frames' height and width, if they are kept."""
        try:
            starts, told = read_records(self._entry / _TIMELINE)
            duration, resolution, height, width = json.loads(told)
            return Timeline(tuple(array("d", starts)), duration, resolution), (height, width)
        except (*_LOST, ValueError):
            return None

    def _learned(self) -> tuple[Timeline, tuple[int, int]]:
        source = self._source
        timeline, size = source.timeline, source.size
        told = json.dumps([timeline.duration, timeline.resolution, *size]).encode()
        starts = array("d", timeline.starts).tobytes()
        self._cache.add(self._entry / _TIMELINE, [starts, told])
        return timeline, size

    def _jpegs(self, part: int, wanted: list[int], short_side: int) -> list[bytes]:
        """Frames of one part, which is made and kept where it is not there or damaged."""
        path = self._entry / f"{short_side}-{part:05d}.records"
        first = part * PART
        places = [index - first for index in wanted]
        with suppress(*_LOST):
            return read_records(path, places)
        if self._cache.room.is_full:
            return self._encoded(wanted, short_side)
        try:
            last = min(first + PART, len(self.timeline))
            whole = self._encoded(range(first, last), short_side)
        except VideoError:  # of a damaged video what is asked for may still decode
            return self._encoded(wanted, short_side)
        self._cache.add(path, whole)
        return [whole[place] for place in places]

    def _encoded(self, indices: Sequence[int], short_side: int) -> list[bytes]:
        return [_jpeg(frame) for frame in self._source.frames(indices, short_side=short_side)]


def _jpeg(frame: Frame) -> bytes:
    file = io.BytesIO()
    pixels = frame.permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return file.getvalue()


def _picture(jpeg: bytes) -> Frame:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _name(stamp: Stamp) -> str:
    return f"{stamp.size:x}-{stamp.mtime_ns:x}"
