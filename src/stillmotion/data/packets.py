"""What the packets of a video stream promise: its frames, their times, where decoding can begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stillmotion.data.container import packets_of
from stillmotion.errors import VideoError

MAX_FRAMES = 2**22
"""In one video (a day and a half at 30 a second): what is known of each takes half a kilobyte."""

_INDEXED_CONTAINERS = ("mov", "matroska")
# VP8 has packets that are never shown.
_HIDDEN_FRAME_CODECS = ("vp8",)
# Where the decoder's word that no other frame refers to a frame is the standard's: H.264, 7.4.1,
# nal_ref_idc. (HEVC's holds within a temporal layer alone.)
_CODECS_WITH_DISPENSABLE_FRAMES = ("h264",)


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

    @cached_property
    def shown(self) -> tuple[Packet, ...]:
        """Packets whose frames are to be shown (edit lists hide the others)."""
        return tuple(packet for packet in self.packets if packet.is_shown)

    @property
    def has_timestamps(self) -> bool:
        """Whether the container says when a frame is shown; AVI does not, its rate is constant."""
        return self.container != "avi"

    @cached_property
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
    def has_dispensable_frames(self) -> bool:
        """Whether frames to which no other refers can be told, and left out without harm."""
        return self.is_exact and self.codec in _CODECS_WITH_DISPENSABLE_FRAMES

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


def told_by(packet: av.Packet) -> Packet:
    """What a packet says about itself."""
    return Packet(
        pts=packet.pts,
        duration=packet.duration or 0,
        is_keyframe=packet.is_keyframe,
        is_shown=not packet.is_discard,
        is_encrypted=packet.has_sidedata("encryption_info"),
    )


def read_through(container: InputContainer, stream: VideoStream, *, path: Path) -> list[Packet]:
    """All packets, by reading through the file.

    Args:
        container: at its start; afterwards it stands at its end.

    Raises:
        VideoError: there are more than `MAX_FRAMES`.
        av.FFmpegError: the file is damaged.
    """
    packets = (told_by(packet) for packet in packets_of(container, stream) if packet.size)
    found = list(islice(packets, MAX_FRAMES + 1))
    if len(found) > MAX_FRAMES:
        raise VideoError(f"{path}: the video has more than {MAX_FRAMES} frames")
    return found


def packet_list(
    packets: Sequence[Packet], container: InputContainer, stream: VideoStream, *, path: Path
) -> PacketList:
    """All packets, with what the header says of the stream.

    Raises:
        VideoError: the stream is encrypted or has no frames.
    """
    rate = stream.average_rate or stream.guessed_rate or 25
    listing = PacketList(
        packets=tuple(packets),
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
