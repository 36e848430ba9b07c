"""Small data kept in memory: every video decoded once, to a few small frames."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch

from stillmotion.data.annotations import Sample
from stillmotion.data.decoder import scaled_size
from stillmotion.data.indices import uniform_indices
from stillmotion.data.progress import Progress, in_threads
from stillmotion.data.video import Video, open_video
from stillmotion.errors import DataError, StorageError, VideoError
from stillmotion.shapes import Frames


class _Place(NamedTuple):
    """Where one video's frames lie in the store."""

    shape: tuple[int, int, int, int]
    offset: int


class FrameStore:
    """At most `num_frames` frames of each video, evenly spaced in time, in one block of memory.

    Making it opens every video and decodes one frame, to know the size; `fill` decodes the rest.
    The block is shared: data workers use it without a copy, however they are started. PyAV lets
    go of the interpreter while it decodes, so threads suffice.

        store = FrameStore(samples, num_frames=16, short_side=128)
        print(store.num_bytes)
        store.fill(workers=2)

    Raises:
        DataError: the frames would take more than `max_bytes`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        num_frames: int = 16,
        short_side: int = 128,
        decoder: str = "auto",
        max_bytes: int = 4 * 2**30,
        workers: int = 2,
    ) -> None:
        self._samples = tuple(samples)
        self._num_frames = num_frames
        self._short_side = short_side
        self._decoder = decoder
        self._places: dict[int, _Place] = {}
        self.failures: dict[int, str] = {}
        """Why a video has no frames here, by its index."""
        self.num_bytes = 0
        """What the frames take, known before they are decoded."""
        self._plan(workers)
        if self.num_bytes > max_bytes:
            raise DataError(
                f"the frames of {len(samples)} videos would take {self.num_bytes:,} bytes of "
                f"memory and {max_bytes:,} are allowed: keep fewer (num_frames={num_frames}) or "
                f"smaller ones (short_side={short_side}), or decode as you go"
            )
        self._block = torch.empty(0, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._samples)

    def fill(self, *, workers: int = 2, on_progress: Progress | None = None) -> "FrameStore":
        """Decodes every video once.

        A video that cannot be decoded goes to `failures`.

        Raises:
            StorageError: the machine does not lend that much shared memory.
        """
        try:
            self._block = torch.empty(self.num_bytes, dtype=torch.uint8).share_memory_()
        except RuntimeError as error:
            raise StorageError(
                f"no shared memory for {self.num_bytes:,} bytes (a container's /dev/shm is often "
                f"small; --shm-size raises it): {error}"
            ) from error
        in_threads(self._fill, self._places, threads=workers, on_progress=on_progress)
        return self

    def frames(self, index: int) -> Frames:
        """The kept frames of one video; a view of the store, not to be written to.

        Raises:
            VideoError: the video could not be decoded.
        """
        if index in self.failures:
            raise VideoError(self.failures[index])
        return self._view(index)

    def _view(self, index: int) -> Frames:
        assert len(self._block) == self.num_bytes, "fill the store before using it"
        shape, offset = self._places[index]
        return self._block[offset : offset + prod(shape)].view(shape)

    def _plan(self, workers: int) -> None:
        """Gives every readable video its place in the block."""
        shapes = in_threads(self._shape, range(len(self)), threads=workers)
        for index, shape in shapes.items():
            if isinstance(shape, str):
                self.failures[index] = shape
            else:
                self._places[index] = _Place(shape, self.num_bytes)
                self.num_bytes += prod(shape)

    def _shape(self, index: int) -> tuple[int, int, int, int] | str:
        """The shape of a video's frames here, or why it has none."""
        sample = self._samples[index]
        try:
            with open_video(sample.path, decoder=self._decoder) as video:
                size = scaled_size(video.height, video.width, short_side=self._short_side)
                return len(self._chosen(video, sample)), 3, *size
        except VideoError as error:
            return str(error)

    def _fill(self, index: int) -> None:
        sample = self._samples[index]
        try:
            with open_video(sample.path, decoder=self._decoder) as video:
                chosen = self._chosen(video, sample)
                self._view(index).copy_(video.frames_at(chosen, short_side=self._short_side).data)
        except VideoError as error:
            self.failures[index] = str(error)

    def _chosen(self, video: Video, sample: Sample) -> list[int]:
        ticks = video.timeline.ticks(start=sample.start, end=sample.end)
        count = min(self._num_frames, len(ticks))
        return [ticks[tick] for tick in uniform_indices(len(ticks), num_frames=count).tolist()]
