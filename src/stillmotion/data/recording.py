"""Frames into a video file as they come, or out to an address.

with Recording("seen.mp4", height=480, width=640, fps=25) as recording:
    recording.add(picture)  # uint8 (480, 640, 3)
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from jaxtyping import UInt8

from stillmotion.errors import ClipError, ConfigurationError, StorageError
from stillmotion.files import refuse_existing, refuse_unwritable, writing

LIVE = {"preset": "ultrafast", "tune": "zerolatency"}
"""x264 on the way to an address: a frame leaves as it comes."""

KEPT = {"preset": "veryfast", "crf": "18"}
"""x264 into a file: hardly to be told from the pictures."""

RATES = (1e-4, 1e5)
"""Frames a second: below, MP4 cannot hold some steps; above, there is no camera."""


class Recording:
    """Writes H.264 at a steady rate; a context manager.

    A file is MP4, written under a temporary name: it is there when the block ends well, and not at
    all when it ends with an exception, or before the first frame. An address, such as
    ``udp://127.0.0.1:1234``, is sent MPEG-TS as frames come, with a key frame a second, so that a
    player may join at any time. A side of an odd number of pixels repeats its last row or column,
    as H.264 asks for even ones. Where FFmpeg came without x264, the codec is MPEG-4 part 2.

    Args:
        to: the file, see `refuse_target`, or an address.
        height: of every frame, in pixels.
        width: likewise.
        fps: frames a second, within `RATES`.

    Raises:
        ConfigurationError: a file of another kind or one that is there, a size that is not above 0,
            or a rate beyond `RATES`.
    """

    def __init__(self, to: str | Path, *, height: int, width: int, fps: float) -> None:
        refuse_target(to)
        if min(height, width) < 1 or not RATES[0] <= fps <= RATES[1]:
            raise ConfigurationError(
                f"cannot record {height} x {width} pixels at {fps:g} frames a second: sides must "
                f"be above 0, and the rate between {RATES[0]:g} and {RATES[1]:g}"
            )
        self.to, self.height, self.width = to, height, width
        self.rate = rational(fps)
        self._is_empty = True
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
                # Not the open file: of what stops Python from writing FFmpeg may lose the reason.
                container = av.open(file.name, "w", format="mp4")
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
        with suppress(_EmptyError):
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
            self._is_empty = False
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
        if kind is None and self._is_empty:
            raise _EmptyError
        if kind is None:
            self._container.mux(self._stream.encode(None))


class _EmptyError(Exception):
    """There was no frame: what was opened is thrown away, as after any exception."""


def refuse_target(to: str | Path) -> None:
    """Refuse what cannot be recorded to, before any work.

    Raises:
        ConfigurationError: a file whose name does not end with ``.mp4``, or that is there already.
        StorageError: one that cannot be written.
    """
    if is_address(to):
        return
    if Path(to).suffix.lower() != ".mp4":
        raise ConfigurationError(
            f"cannot record to {to}: give a file that ends with .mp4, or an address such as "
            "udp://127.0.0.1:1234"
        )
    refuse_existing(Path(to))
    refuse_unwritable(Path(to))


def rational(fps: float) -> Fraction:
    """A rate as a fraction of which the smaller number is at most 1001.

    >>> rational(29.97), rational(30000 / 1001), rational(1 / 3000)
    (Fraction(2997, 100), Fraction(30000, 1001), Fraction(1, 3000))
    """
    if fps < 1:
        return 1 / Fraction(1 / fps).limit_denominator(1001)
    return Fraction(fps).limit_denominator(1001)


def is_address(to: str | Path) -> bool:
    """Whether frames go over a network rather than into a file."""
    return "://" in str(to)


def without_password(address: str | Path) -> str:
    """An address to be shown: without the user and the password that it may hold.

    >>> without_password("rtsp://user:secret@door.example/1")
    'rtsp://door.example/1'
    """
    return re.sub("://[^/?#]*@", "://", str(address), count=1)


@contextmanager
def told_as_ours(to: str | Path) -> Iterator[None]:
    """FFmpeg's errors as errors of ours."""
    try:
        yield
    except av.FFmpegError as error:
        raise StorageError(f"cannot record to {without_password(to)}: {error.strerror}") from error
