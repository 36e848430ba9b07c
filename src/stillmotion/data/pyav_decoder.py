"""Decoding with PyAV, whose wheels carry FFmpeg."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, pairwise
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from stillmotion.data.colours import ColourError, in_rgb, kind_of
from stillmotion.data.container import describe, explained, open_container, packets_of
from stillmotion.data.decoder import Decodable, Decoder, Frame, scaled_size
from stillmotion.data.mp4_header import display_offsets, indexed_packets
from stillmotion.data.orientation import Orientation, orientation_from_matrix
from stillmotion.data.packets import PacketList, packet_list, read_through
from stillmotion.data.stretches import stretches
from stillmotion.data.timeline import timeline_from_pts
from stillmotion.errors import VideoError


class PyAVDecoder(Decoder):
    """Reads the packets once to know the frames, then decodes from the nearest keyframe.

    Little is decoded that is not asked for: frames to which no other refers are left out where the
    codec tells them, and nothing after the last wanted frame is touched. Where a wanted frame does
    not come out that way, all are decoded, which finds it or the reason.

    A frame is whatever decoding from its own keyframe gives. Damage therefore spoils at most the
    frames from there to the next keyframe; where a container cannot seek, all that follow. A frame
    that the decoder itself marks as damaged is refused too.
    """

    name = f"pyav {av.__version__}"

    def __init__(self, path: Path, *, num_threads: int) -> None:
        self._path = path
        self._num_threads = num_threads
        self._opened: tuple[InputContainer, VideoStream] | None = None
        self._orientation: Orientation | None = None
        self._reformatter = VideoReformatter()
        try:
            self._learn(self._read_packets())
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> tuple[int, int]:
        if self._orientation is None:
            self._orientation = orientation_of(next(self._wanted([0])))
        return self._orientation.size(*self._stored_size)

    def frames(self, indices: Sequence[int], *, short_side: int | None) -> Iterator[Frame]:
        height, width = scaled_size(*self._stored_size, short_side=short_side)
        for frame in self._wanted(indices):
            if self._orientation is None:
                self._orientation = orientation_of(frame)
            with explained(self._path):
                rgb = in_rgb(
                    frame,
                    height=height,
                    width=width,
                    num_threads=self._num_threads,
                    reformatter=self._reformatter,
                )
            yield self._orientation.apply(rgb)

    def decodable(self) -> Decodable:
        count, converted = 0, set[object]()
        try:
            for index, frame in self._decode_all(keyframe=0):
                if index != count or frame.is_corrupt:
                    return Decodable(count, f"frame {count} is missing or damaged")
                if (kind := kind_of(frame)) not in converted:
                    in_rgb(frame, height=16, width=16, num_threads=self._num_threads)
                    converted.add(kind)
                count += 1
        except (av.FFmpegError, ColourError) as error:
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

    def _read_packets(self) -> PacketList:
        """By the header where it tells of all packets, else by reading through the file."""
        with explained(self._path):
            container, stream = self._open()
            packets = None
            if offsets := display_offsets(stream, self._path):
                with suppress(av.FFmpegError):
                    packets = indexed_packets(container, stream, offsets=offsets)
                if packets is None:
                    container, stream = self._open()
            packets = packets or read_through(container, stream, path=self._path)
            return packet_list(packets, container, stream, path=self._path)

    def _learn(self, packets: PacketList) -> None:
        """Keeps what decoding needs to know of the packets."""
        self._stored_size = packets.height, packets.width
        self._is_exact = packets.is_exact
        self._is_seekable = packets.is_seekable
        self._has_dispensable_frames = packets.has_dispensable_frames
        self._pts = packets.stamps if packets.is_exact else self._count(packets)
        self._index_of_pts = {pts: index for index, pts in enumerate(self._pts)}
        # Where nothing can be sought, and before the first keyframe, decoding begins at the start.
        self._keyframes = [0]
        if packets.is_seekable:
            found = [self._index_of_pts[pts] for pts in packets.keyframe_stamps]
            self._keyframes += [index for index in found if index > 0]
        self.timeline = timeline_from_pts(
            self._pts,
            last_step=packets.last_duration if packets.is_exact else 0,
            seconds_per_unit=packets.seconds_per_unit,
        )

    def _wanted(self, indices: Sequence[int]) -> Iterator[av.VideoFrame]:
        """The frames of these indices."""
        for keyframe, wanted in stretches(indices, keyframes=self._keyframes):
            found = 0
            for frame in self._decode_few(wanted, keyframe=keyframe):
                found += 1
                yield frame
            if found < len(wanted):
                decoding = self._decode_all(keyframe=keyframe)
                yield from (self._advance(decoding, index) for index in wanted[found:])

    def _decode_few(self, indices: Sequence[int], *, keyframe: int) -> Iterator[av.VideoFrame]:
        """The frames of these indices, up to the first that does not come out in its place."""
        if not self._is_exact:
            return
        stamps = [self._pts[index] for index in indices]
        wanted = set(stamps)
        # What goes wrong here is met again, and reported, when all frames are decoded.
        with suppress(av.FFmpegError):
            shown = self._decode_needed(wanted, keyframe=keyframe)
            shown = (frame for frame in shown if frame.pts in wanted)
            for pts, frame in zip(stamps, shown, strict=False):
                if frame.pts != pts or frame.is_corrupt:
                    return
                yield frame

    def _decode_needed(self, stamps: set[int], *, keyframe: int) -> Iterator[av.VideoFrame]:
        """The frames with these timestamps among those to which others refer, and none later."""
        missing = set(stamps)
        packets, context = self._packets(keyframe)
        for packet in packets:
            if self._has_dispensable_frames:
                context.skip_frame = "DEFAULT" if packet.pts in missing else "NONREF"
            missing.discard(packet.pts)
            yield from packet.decode()
            if not missing:
                break
        # The decoder holds frames back until it knows that none is shown before them.
        yield from context.decode(None)

    def _decode_all(self, *, keyframe: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Every frame with its index, from a keyframe on."""
        packets, context = self._packets(keyframe)
        context.skip_frame = "DEFAULT"
        frames = (frame for packet in packets for frame in packet.decode())
        for position, frame in enumerate(frames):
            if not self._is_exact:
                yield position, frame
            elif frame.pts in self._index_of_pts:
                yield self._index_of_pts[frame.pts], frame

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

    def _packets(self, keyframe: int) -> tuple[Iterator[av.Packet], VideoCodecContext]:
        """Packets from a keyframe or, where the file cannot go there, from the start."""
        container, stream = self._opened or self._open()
        if self._is_seekable:
            with suppress(av.FFmpegError, StopIteration):
                container.seek(self._pts[keyframe], stream=stream)
                packets = packets_of(container, stream)
                landed = next(packet for packet in packets if packet.size)
                pts = landed.pts
                if landed.is_keyframe and pts is not None and pts <= self._pts[keyframe]:
                    return chain([landed], packets), stream.codec_context
        container, stream = self._open()
        return packets_of(container, stream), stream.codec_context

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


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """How its file wants a frame to be turned."""
    # `frame.side_data` would be kept by the frame, and keep it in turn: the two would stay until
    # Python looks for such circles, which it does by counting objects, never by their megabytes.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    if not isinstance(matrix, SideData):
        return Orientation()
    return orientation_from_matrix(bytes(matrix))
