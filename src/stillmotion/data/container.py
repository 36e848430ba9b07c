"""Opening a video file with FFmpeg: what is refused, and what its packets promise."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stillmotion.data.tar_member import Window, open_member
from stillmotion.errors import VideoError

MAX_PIXELS = 2**28
"""Pixels in a frame that a header may claim (16384 x 16384): memory is taken before they decode."""

# Playlists and other formats that name further files are left out: an uploaded file must not be
# able to make the decoder open something else.
_CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,ivf,nut,mxf,dv,rm,m4v,h264,hevc,"
    "mjpeg,yuv4mpegpipe,webp_pipe"
)
_INDEXED_CONTAINERS = ("mov", "matroska")
# VP8 has packets that are never shown.
_HIDDEN_FRAME_CODECS = ("vp8",)


class Packet(NamedTuple):
    """What the demuxer says about one compressed frame; times in units of the stream's clock."""

    pts: int | None
    duration: int
    is_keyframe: bool
    is_shown: bool
    is_encrypted: bool


@dataclass(frozen=True)
class PacketList:
    """All packets of a video stream, in the file's order, and what the header says of them."""

    packets: tuple[Packet, ...]
    seconds_per_unit: float
    height: int
    width: int
    container: str
    codec: str

    @property
    def shown(self) -> tuple[Packet, ...]:
        """Packets whose frames are to be shown (edit lists hide the others)."""
        return tuple(packet for packet in self.packets if packet.is_shown)

    @property
    def has_timestamps(self) -> bool:
        """Whether the container says when a frame is shown; AVI does not, its rate is constant."""
        return self.container != "avi"

    @property
    def is_exact(self) -> bool:
        """Whether every packet is one frame with a timestamp of its own.

        AVI may pack several frames in a packet; some codecs have packets that show nothing.
        """
        pts = [packet.pts for packet in self.shown]
        return (
            self.has_timestamps
            and self.codec not in _HIDDEN_FRAME_CODECS
            and None not in pts
            and len(set(pts)) == len(pts)
        )

    @property
    def is_seekable(self) -> bool:
        """Whether the container has an index that leads to the keyframe asked for."""
        return self.is_exact and self.container in _INDEXED_CONTAINERS

    @property
    def stamps(self) -> list[int]:
        """Timestamps of the shown packets, rising and distinct."""
        return sorted({packet.pts for packet in self.shown if packet.pts is not None})

    @property
    def last_duration(self) -> int:
        """How long the last frame is shown; 0 where the file does not say."""
        return max(self.shown, key=lambda packet: packet.pts or 0).duration

    @property
    def keyframe_stamps(self) -> list[int]:
        """Timestamps of the shown packets from which decoding can begin, rising."""
        return sorted(p.pts for p in self.shown if p.is_keyframe and p.pts is not None)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what FFmpeg raises into a VideoError that names the file."""
    try:
        yield
    except VideoError:
        raise
    except (av.FFmpegError, OSError, ValueError, IndexError, MemoryError) as error:
        raise VideoError(f"{path}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An FFmpeg error as a clause."""
    if isinstance(error, av.InvalidDataError):
        return "the data is damaged"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_container(path: Path, *, num_threads: int) -> tuple[InputContainer, VideoStream]:
    """Opens the file and its first video stream, ready to decode.

    Raises:
        VideoError: missing, empty, not a video, without a video stream, or of a size above
            `MAX_PIXELS`.
    """
    source = _source(path)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _CONTAINERS,
        "max_pixels": str(MAX_PIXELS),
    }
    with explained(path):
        try:
            container = av.open(source, "r", metadata_errors="replace", options=options)
        except av.InvalidDataError as error:
            raise VideoError(f"{path}: the file is damaged, or not a video") from error
        try:
            stream = _video_stream(container, path)
        except BaseException:
            container.close()
            raise
    stream.codec_context.thread_count = num_threads
    stream.codec_context.thread_type = "AUTO"
    return container, stream


def _source(path: Path) -> str | Window:
    """What FFmpeg opens: a file by its name, a member of a tar as a window of it."""
    window = None if path.is_file() else open_member(path)
    if (window.size if window else path.stat().st_size) == 0:
        raise VideoError(f"{path}: the file is empty")
    return window or str(path.absolute())


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures: cover art is passed over."""
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


def read_packets(path: Path) -> PacketList:
    """Reads the packets without decoding.

    Raises:
        VideoError: as `open_container`, or the stream is encrypted or has no frames.
    """
    container, stream = open_container(path, num_threads=1)
    with container, explained(path):
        packets = tuple(
            Packet(
                pts=packet.pts,
                duration=packet.duration or 0,
                is_keyframe=packet.is_keyframe,
                is_shown=not packet.is_discard,
                is_encrypted=packet.has_sidedata("encryption_info"),
            )
            for packet in container.demux(stream)
            if packet.size
        )
        rate = stream.average_rate or stream.guessed_rate or 25
        listing = PacketList(
            packets=packets,
            seconds_per_unit=float(stream.time_base or 0) or 1 / float(rate),
            height=stream.codec_context.height,
            width=stream.codec_context.width,
            container=container.format.name.split(",")[0],
            codec=stream.codec_context.codec.name,
        )
    if any(packet.is_encrypted for packet in packets):
        raise VideoError(f"{path}: the video is encrypted")
    if not listing.shown:
        raise VideoError(f"{path}: the file has a video stream without frames")
    return listing
