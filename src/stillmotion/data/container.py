"""Opening a video file with FFmpeg, and what is refused."""

import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import RawIOBase
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stillmotion.data.mp4_boxes import claimed_samples
from stillmotion.data.tar_member import Window, open_member
from stillmotion.errors import VideoError

MAX_PIXELS = 2**26
"""Pixels in a frame that a header may claim (8192 x 8192, twice 8K): memory is taken for them
all, a dozen bytes each, before one decodes."""

MAX_ASPECT = 100
"""The longer side of a frame beside the shorter: clips are scaled by the shorter one, and a frame
of one pixel's width would grow to gigabytes."""

# Playlists and other formats that name further files are left out: an uploaded file must not be
# able to make the decoder open something else.
_CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,ivf,nut,mxf,dv,rm,m4v,h264,hevc,"
    "mjpeg,yuv4mpegpipe,webp_pipe"
)


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turns what FFmpeg raises into a VideoError that names the file or the address."""
    try:
        yield
    except VideoError:
        raise
    except (av.FFmpegError, OSError, ValueError, IndexError, MemoryError) as error:
        raise VideoError(f"{path}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An FFmpeg error as a clause."""
    if isinstance(error, av.InvalidDataError | av.ExternalError):
        return "the data is damaged"
    if isinstance(error, av.EOFError):
        return "it ends too early"
    if isinstance(error, av.PatchWelcomeError):
        return "FFmpeg does not know this form of it"
    if isinstance(error, MemoryError):
        return "there is too little memory to read it"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """A stream's packets, from where the file stands.

    PyAV's own iterator, left before its end, frees what it holds only if it is closed.
    """
    with closing(container.demux(stream)) as packets:  # type: ignore[type-var]
        yield from packets


def open_container(path: Path, *, num_threads: int) -> tuple[InputContainer, VideoStream]:
    """Opens the file and its first video stream, ready to decode.

    Raises:
        VideoError: missing, empty, not a video, without a video stream, of a size above
            `MAX_PIXELS`, or with a header that claims more samples than there are bytes.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _CONTAINERS,
        "max_pixels": str(MAX_PIXELS),
    }
    with explained(path):
        source = _source(path)
        try:
            with av.logging.Capture():  # torchvision 0.23 has FFmpeg's own words printed
                container = av.open(source, "r", metadata_errors="replace", options=options)
        except av.FFmpegError as error:
            if error.errno in (errno.ENOMEM, errno.ESTALE):
                raise
            if error.errno == errno.EIO:  # of the disk, or of bytes that lead nowhere
                _read_through(path)
            # The bytes can be read, so whatever it is that FFmpeg calls "busy" is what they say.
            raise VideoError(f"{path}: the file is damaged, or not a video") from error
        try:
            stream = video_stream(container, path)
        except BaseException:
            container.close()
            raise
    stream.codec_context.thread_count = num_threads
    stream.codec_context.thread_type = "AUTO"
    return container, stream


def open_bytes(path: Path) -> RawIOBase:
    """The bytes of a file, or of a member of a tar.

    Raises:
        VideoError: as `tar_member.open_member`.
    """
    return path.open("rb", buffering=0) if path.is_file() else open_member(path)


def _read_through(path: Path) -> None:
    """Meets whatever stands in the way of reading a file: OSError."""
    with open_bytes(path) as file:
        while file.read(2**20):
            pass


def _source(path: Path) -> str | Window:
    """What FFmpeg opens: a file by its name, a member of a tar as a window of it."""
    with open_bytes(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise VideoError(f"{path}: the file is empty")
        # Each has a byte at least, and those of a file that is cut short are listed in its header.
        if (claimed := claimed_samples(file)) > size:
            raise VideoError(f"{path}: the header claims {claimed} samples in {size} bytes")
    return str(path.absolute()) if path.is_file() else open_member(path)


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The first stream of moving pictures: cover art is passed over.

    Raises:
        VideoError: there is none, or it is of a size that is refused.
    """
    pictures = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    if not streams:
        kind = "only sound" if container.streams.audio else "no video stream"
        raise VideoError(f"{path}: the file has {kind}")
    stream = streams[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: no decoder for this kind of video")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width <= 0 or height <= 0:
        raise VideoError(f"{path}: the header states no frame size, or one that is refused")
    if width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: the header claims {width} x {height} pixels; at most {MAX_PIXELS} are read"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise VideoError(f"{path}: frames of {width} x {height} pixels are too long and thin")
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def stated_seconds(path: Path) -> float | None:
    """How long a video is by its header; None where that does not say.

    Raises:
        VideoError: as `open_container`.
    """
    container, stream = open_container(path, num_threads=1)
    with container:
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / av.time_base
