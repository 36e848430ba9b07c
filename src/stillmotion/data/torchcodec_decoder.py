"""Decoding with torchcodec, where it is installed and really loads.

Not exercised by the project's tests, which run without torchcodec.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import torch
from torchvision.transforms.v2 import functional

from stillmotion.data.decoder import Decodable, Decoder, Frame, scaled_size
from stillmotion.data.pyav_decoder import PyAVDecoder
from stillmotion.data.tar_member import open_member
from stillmotion.errors import VideoError


class TorchcodecDecoder(Decoder):
    """Pixels from torchcodec; what frames there are, and when, from the packets as ever.

    One timeline for all decoders keeps samples the same, whichever decodes.
    """

    def __init__(self, path: Path, *, num_threads: int) -> None:
        import torchcodec
        from torchcodec.decoders import VideoDecoder

        self.name = f"torchcodec {torchcodec.__version__}"
        self._path = path
        with closing(PyAVDecoder(path, num_threads=1)) as pyav:
            self.timeline = pyav.timeline
        source = str(path) if path.is_file() else open_member(path)
        try:
            self._decoder = VideoDecoder(source, num_ffmpeg_threads=num_threads, seek_mode="exact")
        except (RuntimeError, ValueError) as error:
            raise VideoError(f"{path}: torchcodec cannot open it: {error}") from error
        if len(self._decoder) != len(self.timeline):
            raise VideoError(
                f"{path}: torchcodec finds {len(self._decoder)} frames, the packets say "
                f"{len(self.timeline)}; read it with PyAV"
            )

    @property
    def size(self) -> tuple[int, int]:
        frame = next(self.frames([0], short_side=None))
        return frame.shape[1], frame.shape[2]

    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        for index in indices:
            frame = self._frame(index)
            size = scaled_size(frame.shape[1], frame.shape[2], short_side=short_side)
            yield functional.resize(frame, list(size), antialias=True)

    def decodable(self) -> Decodable:
        for index in range(len(self.timeline)):
            try:
                self._frame(index)
            except VideoError as error:
                return Decodable(index, str(error))
        return Decodable(len(self.timeline), None)

    def close(self) -> None:
        del self._decoder

    def _frame(self, index: int) -> torch.Tensor:
        try:
            return self._decoder.get_frame_at(index).data
        except RuntimeError as error:
            raise VideoError(
                f"{self._path}: frame {index} of {len(self.timeline)} cannot be decoded: {error}"
            ) from error
