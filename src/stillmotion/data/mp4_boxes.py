"""Boxes of an MP4 or MOV file (ISO/IEC 14496-12, 4.2), and how many samples they claim.

FFmpeg takes memory for every sample that a header claims as soon as it opens the file, tens of
bytes for each: without a look at the claims, four kilobytes could take gigabytes.

Old sound of QuickTime (PCM, IMA, MACE: "Sound Sample Description" in the QuickTime File Format)
counts samples before compression, more than there are bytes. FFmpeg knows it by its clock, one tick
a sample, and then takes memory for the packets that it makes of each chunk, of 160 samples or more.
"""

import os
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from io import BufferedIOBase, BufferedReader, RawIOBase
from itertools import groupby
from typing import NamedTuple

import numpy as np

MAX_DEPTH = 10
"""Boxes in boxes; FFmpeg goes no deeper."""

MAX_BOXES = 2**20
"""Of a file, a second or two of work; an hour in fragments of a frame each has two thirds of it."""

SOUND_PACKET = 160
"""Samples of old sound in the smallest packets that FFmpeg makes of a chunk."""

_FILLED_WITH_BOXES = (
    b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"moof",
    b"traf", b"wave", b"tref", b"free", b"hoov",
)  # fmt: skip
# Where the number of samples stands in these, in bytes behind the head of the box.
_COUNTS = {b"stsz": 8, b"stz2": 8, b"trun": 4, b"senc": 4}
_TABLES = (b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stsz", b"stz2")
_MEDIA = (b"vide", b"soun", b"subp", b"clcp")
_TELLING = frozenset((b"hdlr", b"tkhd", *_TABLES, *_COUNTS))


class Leaf(NamedTuple):
    """A box that is not looked into."""

    track: int
    """Counted from 1; 0 outside of all."""
    kind: bytes
    begin: int
    """Of its content, in the file."""


def claimed_samples(file: RawIOBase) -> int:
    """How many samples, of all tracks and fragments together, FFmpeg takes memory for.

    Boxes are read as FFmpeg reads them: one that is longer than its place is cut. 0 for a file that
    does not consist of boxes.

    Raises:
        ValueError: the header is compressed, and could be of any size; there are more than
            `MAX_BOXES`; a track has a number that FFmpeg takes for a negative one, over which it
            may work for minutes; or a track of old sound has a table twice.
    """
    reader = BufferedReader(file)
    try:
        tracks = groupby(_leaves(reader), key=lambda leaf: leaf.track)
        return sum(_claims(reader, leaves) for _, leaves in tracks)
    finally:
        reader.detach()


def _leaves(file: BufferedIOBase) -> Iterator[Leaf]:
    """The boxes that tell something, in the order of the file."""
    begin, end, track, tracks = 0, file.seek(0, os.SEEK_END), 0, 0
    outer: list[tuple[int, int, int]] = []
    for _ in range(MAX_BOXES):
        while begin + 16 > end:
            if not outer:
                return
            begin, end, track = outer.pop()
        file.seek(begin)
        kind, head, size = box(file.read(16), rest=end - begin)
        if size < head:
            begin = end
        elif kind in _FILLED_WITH_BOXES and len(outer) < MAX_DEPTH:
            outer.append((begin + size, end, track))
            if kind == b"trak" and not track:
                tracks += 1
                track = tracks
            begin, end = begin + head, min(begin + size, end)
        else:
            if kind == b"cmov":
                raise ValueError("its header is compressed")
            if kind in _TELLING:
                yield Leaf(track, kind, begin + head)
            begin += size
    raise ValueError(f"its header has more than {MAX_BOXES} boxes")


def _claims(file: BufferedIOBase, leaves: Iterable[Leaf]) -> int:
    """What the boxes of a track claim, or those outside of all."""
    claimed = 0
    found: dict[bytes, list[int]] = defaultdict(list)
    handlers: set[bytes] = set()
    for leaf in leaves:
        if leaf.kind == b"tkhd":
            _refuse_negative(file, leaf.begin)
        if leaf.kind in _COUNTS:
            claimed += _number(file, leaf.begin + _COUNTS[leaf.kind])
        if leaf.kind == b"hdlr":
            handlers.update(kind for kind in _MEDIA if kind == _word(file, leaf.begin + 8))
        elif len(found[leaf.kind]) < 2:
            found[leaf.kind].append(leaf.begin)
    if not any(_may_tick(file, stts) for stts in found[b"stts"]):
        return claimed
    if any(len(places) > 1 for kind, places in found.items() if kind in _TABLES):
        raise ValueError("a track of its header has a table twice")
    packets = _packets(file, found)
    if not _is_old_sound(file, found, handlers):
        return max(claimed, packets)
    return claimed - _number(file, found[b"stsz"][0] + 8) + packets


def _refuse_negative(file: BufferedIOBase, tkhd: int) -> None:
    """Refuse a number of a track that is one of 31 bits no more."""
    times = 16 if _word(file, tkhd)[:1] == b"\x01" else 8
    if (number := _number(file, tkhd + 4 + times)) >= 2**31:
        raise ValueError(f"a track of its header has the number {number}; at most 2^31 - 1 is read")


def _may_tick(file: BufferedIOBase, stts: int) -> bool:
    """Whether FFmpeg may find one tick a sample: it takes impossible durations for that."""
    return not 2 <= _number(file, stts + 12) < 2**31


def _is_old_sound(
    file: BufferedIOBase, found: dict[bytes, list[int]], handlers: set[bytes]
) -> bool:
    """Whether FFmpeg surely looks at the chunks alone, and not at the number of samples."""
    return (
        handlers == {b"soun"}
        and len(found[b"stts"]) == len(found[b"stsz"]) == 1
        and not found[b"stz2"]
        and not found[b"ctts"]
        and _number(file, found[b"stts"][0] + 4) == _number(file, found[b"stts"][0] + 12) == 1
        and _number(file, found[b"stsz"][0] + 4) > 0
    )


def _packets(file: BufferedIOBase, found: dict[bytes, list[int]]) -> int:
    """How many packets FFmpeg makes of the chunks of old sound, at most."""
    chunks = sum(_number(file, place + 4) for place in found[b"stco"] + found[b"co64"])
    if not chunks or not found[b"stsc"]:
        return 0
    runs = _number(file, found[b"stsc"][0] + 4)
    table = file.read(12 * runs)
    numbers = np.frombuffer(table[: len(table) // 12 * 12], ">u4").astype(np.int64)
    first, samples, _ = numbers.reshape(-1, 3).T
    packets = -(-samples // SOUND_PACKET)
    lengths = np.append(first[1:], chunks + 1) - first
    if packets.size and first[0] == 1 and (lengths > 0).all():
        return int(lengths @ packets)
    return chunks * int(packets.max(initial=0))


def _number(file: BufferedIOBase, place: int) -> int:
    return int.from_bytes(_word(file, place), "big")


def _word(file: BufferedIOBase, place: int) -> bytes:
    file.seek(place)
    return file.read(4)


def box(start: bytes | memoryview, *, rest: int) -> tuple[bytes, int, int]:
    """Kind, bytes of its head, and bytes in all, as stated, of a box that begins here.

    Args:
        start: its first 16 bytes, or fewer where it has fewer.
        rest: bytes to the end of what the box is in; the size of a box that states none.

    Raises:
        struct.error: fewer bytes than its head.
    """
    size, kind = struct.unpack_from(">I4s", start)
    if size == 1:
        return kind, 16, struct.unpack_from(">Q", start, 8)[0]
    return kind, 8, size or rest
