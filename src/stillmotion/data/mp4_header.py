"""When the frames of an MP4 file are shown, from its header, without reading through the file.

FFmpeg's index of an MP4 file tells all about a packet but when its frame is shown. With B-frames
that differs from the moment of decoding, by the offsets in the box "ctts" (ISO/IEC 14496-12,
8.6.1.3), which are read here. Whatever is out of the ordinary is left to reading all packets:
fragments, samples that an edit list drops, encryption, a file cut short.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from io import RawIOBase
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.index import IndexEntry
from av.video.stream import VideoStream

from stillmotion.data.container import open_bytes, packets_of
from stillmotion.data.mp4_boxes import box
from stillmotion.data.packets import MAX_FRAMES, Packet, told_by

MAX_HEADER_BYTES = 2**26
"""Larger headers (of days of video) are not taken into memory."""

MAX_BOXES = 10_000
"""Boxes in a row; a header that was made to be slow has more."""

_WAY_TO_TABLES = (b"mdia", b"minf", b"stbl")

Boxes = dict[bytes, memoryview]


def display_offsets(stream: VideoStream, path: Path) -> list[int] | None:
    """How long after its decoding each packet's frame is shown, but for a common shift.

    Returns:
        Units of the stream's clock, one for each of ``stream.index_entries``; None where the file
        is no MP4 file, or its header does not tell of these very packets.
    """
    is_mp4 = stream.container.format.name.startswith("mov")
    if not is_mp4 or not 0 < len(stream.index_entries) <= MAX_FRAMES:
        return None
    entries = list(stream.index_entries)
    try:
        with open_bytes(path) as file:
            tables = _tables(_movie_header(file), track=stream.id)
            if max(entry.pos + entry.size for entry in entries) > file.seek(0, os.SEEK_END):
                return None
        return _offsets(tables, entries)
    # The header is damaged, or is made otherwise: FFmpeg knows more ways to read it.
    except (LookupError, ValueError, struct.error):
        return None


def indexed_packets(
    container: InputContainer, stream: VideoStream, *, offsets: Sequence[int]
) -> list[Packet] | None:
    """All packets in the file's order, by the index and the offsets of their frames.

    Read are the first packet, which gives the common shift, and those from the last keyframe on.

    Args:
        container: at its start; afterwards it stands at its end.

    Returns:
        None where the packets that were read say otherwise.
    """
    entries = list(stream.index_entries)
    keyframes = [place for place, entry in enumerate(entries) if entry.is_keyframe]
    first = next(packets_of(container, stream))
    if first.pts is None or first.dts is None or not keyframes:
        return None
    shift = first.pts - first.dts - offsets[0]
    listed = [
        Packet(
            pts=entry.timestamp + shift + offset,
            duration=0,
            is_keyframe=entry.is_keyframe,
            is_shown=not entry.is_discard,
            is_encrypted=False,
        )
        for entry, offset in zip(entries, offsets, strict=True)
    ]
    container.seek(entries[keyframes[-1]].timestamp, stream=stream)
    read = [told_by(packet) for packet in packets_of(container, stream) if packet.size]
    unread = listed[: len(listed) - len(read)]
    if not read or [packet._replace(duration=0) for packet in read] != listed[len(unread) :]:
        return None
    # The frame that is shown last has to be among those whose duration is known.
    if max(packet.pts or 0 for packet in read) != max(packet.pts or 0 for packet in listed):
        return None
    return unread + read


def _offsets(tables: Boxes, entries: Sequence[IndexEntry]) -> list[int] | None:
    """The offsets of all samples, if the index has these samples and no others."""
    same_size, count = struct.unpack_from(">II", tables[b"stsz"], 4)
    if count != len(entries):
        return None
    sizes = [same_size] * count
    if not same_size:
        sizes = np.frombuffer(tables[b"stsz"], ">u4", count, offset=12).tolist()
    if sizes != [entry.size for entry in entries]:
        return None
    if b"ctts" not in tables:
        return [0] * count
    (runs,) = struct.unpack_from(">I", tables[b"ctts"], 4)
    pairs = np.frombuffer(tables[b"ctts"], ">i4", 2 * runs, offset=8).reshape(runs, 2)
    lengths, offsets = pairs.T
    if (lengths < 0).any() or lengths.sum() != count:
        return None
    return offsets.repeat(lengths).tolist()


def _movie_header(file: RawIOBase) -> memoryview:
    """The box "moov".

    Raises:
        ValueError: there is none among the first boxes, or it is too large.
    """
    place, length = 0, file.seek(0, os.SEEK_END)
    for _ in range(MAX_BOXES):
        if place >= length:
            break
        file.seek(place)
        kind, head, size = _box(memoryview(file.read(16)), rest=length - place)
        if kind == b"moov":
            if size > MAX_HEADER_BYTES:
                raise ValueError("a header of unusual size")
            file.seek(place + head)
            return memoryview(file.read(size - head))
        place += size
    raise ValueError("no header")


def _tables(movie: memoryview, *, track: int) -> Boxes:
    """The sample tables of a track.

    Raises:
        KeyError: it has none.
        ValueError: there are fragments, or the track is encrypted.
    """
    if any(kind == b"mvex" for kind, _ in _boxes(movie)):
        raise ValueError("fragments")
    for kind, content in _boxes(movie):
        if kind == b"trak" and _track_id(dict(_boxes(content))[b"tkhd"]) == track:
            for step in _WAY_TO_TABLES:
                content = dict(_boxes(content))[step]
            tables = dict(_boxes(content))
            if b"sinf" in bytes(tables[b"stsd"]):
                raise ValueError("encrypted")
            return tables
    raise KeyError(track)


def _track_id(header: memoryview) -> int:
    """Behind two moments, of 32 bits each or, in version 1, of 64."""
    (track,) = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)
    return int(track)


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kinds and contents of boxes in a row.

    Raises:
        ValueError: a box is cut short, or there are too many.
    """
    for _ in range(MAX_BOXES):
        if len(content) < 8:
            return
        kind, head, size = _box(content, rest=len(content))
        yield kind, content[head:size]
        content = content[size:]
    raise ValueError("too many boxes")


def _box(start: memoryview, *, rest: int) -> tuple[bytes, int, int]:
    """As `mp4_boxes.box`, of a box that is whole.

    Raises:
        ValueError: it is longer than the rest, or shorter than its head.
    """
    kind, head, size = box(start, rest=rest)
    if not head <= size <= rest:
        raise ValueError("a box of impossible size")
    return kind, head, size
