"""Decoding with PyAV, whose wheels carry FFmpeg."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
import torch
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from stillmotion.data.container import (
    PacketList,
    describe,
    open_container,
    read_packets,
)
from stillmotion.data.decoder import Decodable, Decoder, Frame, scaled_size
from stillmotion.data.orientation import Orientation, orientation_from_matrix
from stillmotion.data.timeline import timeline_from_pts
from stillmotion.errors import VideoError


class PyAVDecoder(Decoder):
    """Reads the packets once to know the frames, then decodes from the nearest keyframe.

    A frame is whatever decoding from its own keyframe gives. Damage therefore spoils the frames
    from there to the next keyframe, and no others; where a container cannot seek, it spoils all
    that follow. A frame that the decoder itself marks as damaged is refused too.
    """

    name = f"pyav {av.__version__}"

    def __init__(self, path: Path, *, num_threads: int) -> None:
        self._path = path
        self._num_threads = num_threads
        self._opened: tuple[InputContainer, VideoStream] | None = None
        self._orientation: Orientation | None = None
        self._reformatter = VideoReformatter()
        packets = read_packets(path)
        self._stored_size = packets.height, packets.width
        self._is_exact = packets.is_exact
        self._pts = packets.stamps if packets.is_exact else self._count(packets)
        self._index_of_pts = {pts: index for index, pts in enumerate(self._pts)}
        # Where nothing can be sought, and before the first keyframe, decoding begins at the start.
        self._keyframes = [self._pts[0]]
        if packets.is_seekable:
            self._keyframes += [pts for pts in packets.keyframe_stamps if pts > self._pts[0]]
        self.timeline = timeline_from_pts(
            self._pts,
            last_step=packets.last_duration if packets.is_exact else 0,
            seconds_per_unit=packets.seconds_per_unit,
        )

    @property
    def size(self) -> tuple[int, int]:
        if self._orientation is None:
            next(self.frames([0], short_side=None))
        assert self._orientation
        return self._orientation.size(*self._stored_size)

    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        height, width = scaled_size(*self._stored_size, short_side=short_side)
        decoding, following = None, 0
        for index in indices:
            keyframe = self._keyframes[bisect_right(self._keyframes, self._pts[index]) - 1]
            if decoding is None or keyframe > self._pts[following]:
                decoding = self._decode_from(keyframe)
            frame = self._advance(decoding, index)
            following = index + 1
            if self._orientation is None:
                self._orientation = _orientation(frame)
            rgb = self._reformatter.reformat(
                frame, width=width, height=height, format="rgb24", threads=self._num_threads
            )
            yield self._orientation.apply(torch.from_numpy(rgb.to_ndarray()).permute(2, 0, 1))

    def decodable(self) -> Decodable:
        count = 0
        try:
            for index, frame in self._decode_from(self._pts[0]):
                if index != count or frame.is_corrupt:
                    return Decodable(count, f"frame {count} is missing or damaged")
                count += 1
        except av.FFmpegError as error:
            return Decodable(count, describe(error))
        complete = count == len(self._pts)
        return Decodable(count, None if complete else "the frames end before the header says")

    def close(self) -> None:
        if self._opened:
            self._opened[0].close()
        self._opened = None

    def _open(self) -> tuple[InputContainer, VideoStream]:
        self.close()
        self._opened = open_container(self._path, num_threads=self._num_threads)
        return self._opened

    def _advance(self, decoding: Iterator[tuple[int, av.VideoFrame]], wanted: int) -> av.VideoFrame:
        """Decodes on until the wanted frame."""
        reason = None
        try:
            for index, frame in decoding:
                if index == wanted and not frame.is_corrupt:
                    return frame
                if index >= wanted:
                    break
        except av.FFmpegError as error:
            reason = describe(error)
        decodable = self.decodable()
        raise VideoError(
            f"{self._path}: frame {wanted} of {len(self._pts)} cannot be decoded "
            f"(the first {decodable.num_frames} can): "
            f"{reason or decodable.reason or 'the decoder marks it as damaged'}"
        )

    def _decode_from(self, keyframe: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames in presentation order with their indices, from a keyframe or, failing that, 0."""
        if keyframe == self._pts[0] or not self._seek(keyframe):
            self._open()
        assert self._opened
        container, stream = self._opened
        for position, frame in enumerate(container.decode(stream)):
            if not self._is_exact:
                yield position, frame
            elif frame.pts in self._index_of_pts:
                yield self._index_of_pts[frame.pts], frame

    def _seek(self, keyframe: int) -> bool:
        """Whether the file now stands at a keyframe at or before the one asked for."""
        container, stream = self._opened or self._open()
        with suppress(av.FFmpegError, StopIteration):
            container.seek(keyframe, stream=stream)
            landed = next(packet for packet in container.demux(stream) if packet.size)
            if landed.is_keyframe and landed.pts is not None and landed.pts <= keyframe:
                container.seek(keyframe, stream=stream)
                return True
        return False

    def _count(self, packets: PacketList) -> list[int]:
        """Timestamps where the packets do not tell: decodes everything once.

        What was promised after the first damage is counted too, so that asking for it says why.
        """
        stamps: list[int | None] = []
        expected = 0
        container, stream = self._open()
        try:
            stamps.extend(frame.pts for frame in container.decode(stream))
        except av.FFmpegError:
            expected = len(packets.shown)
        if not stamps and not expected:
            raise VideoError(f"{self._path}: not one frame can be decoded")
        step = _usual_step(packets.stamps)
        known = sorted({pts for pts in stamps if pts is not None})
        if not packets.has_timestamps or len(known) < len(stamps) or not known:
            known = [step * index for index in range(max(1, len(stamps)))]
        return known + [known[-1] + step * (k + 1) for k in range(expected - len(known))]


def _usual_step(stamps: list[int]) -> int:
    steps = [late - early for early, late in pairwise(stamps)]
    return round(median(steps)) if steps else 1


def _orientation(frame: av.VideoFrame) -> Orientation:
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Orientation()
    return orientation_from_matrix(bytes(matrix))
