"""Frames into a video file as they come, or out to an address.

with Recording("seen.mp4", height=480, width=640, fps=25) as recording:
    recording.add(picture)  # uint8 (480, 640, 3)
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from jaxtyping import UInt8

from stillmotion.errors import ClipError, ConfigurationError, StorageError
from stillmotion.files import writing

LIVE = {"preset": "ultrafast", "tune": "zerolatency"}
"""x264 on the way to an address: a frame leaves as it comes."""

KEPT = {"preset": "veryfast", "crf": "18"}
"""x264 into a file: hardly to be told from the pictures."""


class Recording:
    """Writes H.264 at a steady rate; a context manager.

    A file is MP4, written under a temporary name: it is there when the block ends well, and not at
    all when it ends with an exception. An address, such as ``udp://127.0.0.1:1234``, is sent
    MPEG-TS as frames come, with a key frame a second, so that a player may join at any time. A side
    of an odd number of pixels repeats its last row or column, as H.264 asks for even ones. Where
    FFmpeg came without x264, the codec is MPEG-4 part 2.

    Args:
        to: the file, whose name ends with ``.mp4``, or an address.
        height: of every frame, in pixels.
        width: likewise.
        fps: frames a second.

    Raises:
        ConfigurationError: a file of another kind, or a size or rate that is not above 0.
    """

    def __init__(self, to: str | Path, *, height: int, width: int, fps: float) -> None:
        if not is_address(to) and Path(to).suffix.lower() != ".mp4":
            raise ConfigurationError(
                f"cannot record to {to}: give a file that ends with .mp4, or an address such as "
                "udp://127.0.0.1:1234"
            )
        if min(height, width) < 1 or not 0 < fps < np.inf:
            raise ConfigurationError(
                f"cannot record {height} x {width} pixels at {fps} frames a second: all three must "
                "be above 0"
            )
        self.to, self.height, self.width = to, height, width
        self.rate = Fraction(fps).limit_denominator(1001)  # 30000/1001 is told exactly
        self._open = ExitStack()

    def __enter__(self) -> "Recording":
        """Opens the file or the address.

        Raises:
            StorageError: it cannot be written to.
        """
        with ExitStack() as stack:
            stack.enter_context(told_as_ours(self.to))
            if is_address(self.to):
                container = av.open(str(self.to), "w", format="mpegts")
            else:
                file = stack.enter_context(writing(Path(self.to)))
                container = av.open(file, "w", format="mp4")
            self._container = stack.enter_context(container)
            self._stream = self._video_stream(container)
            container.start_encoding()  # otherwise a wrong address is met at the first frame
            stack.push(self._finish)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def add(self, frame: UInt8[np.ndarray, "height width 3"]) -> None:
        """The next frame, RGB.

        Raises:
            ClipError: it is of another size than was said.
            StorageError: it cannot be written.
        """
        if frame.shape != (self.height, self.width, 3):
            raise ClipError(
                f"a frame of shape {frame.shape} in a recording of {(self.height, self.width, 3)}"
            )
        odd = ((0, self.height % 2), (0, self.width % 2), (0, 0))
        picture = np.pad(frame, odd, mode="edge") if self.height % 2 or self.width % 2 else frame
        with told_as_ours(self.to):
            whole = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            self._container.mux(self._stream.encode(whole))

    def _video_stream(self, container: OutputContainer) -> av.VideoStream:
        live = is_address(self.to)
        has_x264 = "libx264" in av.codecs_available
        options = (LIVE if live else KEPT) if has_x264 else {"qmin": "2", "qmax": "3"}
        codec = "libx264" if has_x264 else "mpeg4"
        stream = container.add_stream(codec, rate=self.rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = self.height + self.height % 2, self.width + self.width % 2
        stream.pix_fmt = "yuv420p"
        if live:
            stream.gop_size = max(1, round(self.rate))
        return stream

    def _finish(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What the encoder still holds; nobody wants it after an exception."""
        if kind is None:
            self._container.mux(self._stream.encode(None))


def is_address(to: str | Path) -> bool:
    """Whether frames go over a network rather than into a file."""
    return "://" in str(to)


@contextmanager
def told_as_ours(to: str | Path) -> Iterator[None]:
    """FFmpeg's errors as errors of ours."""
    try:
        yield
    except av.FFmpegError as error:
        raise StorageError(f"cannot record to {to}: {error.strerror}") from error
