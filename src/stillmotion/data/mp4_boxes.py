"""Boxes of an MP4 or MOV file (ISO/IEC 14496-12, 4.2), and how many samples they claim.

FFmpeg takes memory for every sample that a header claims as soon as it opens the file, tens of
bytes for each: without a look at the claims, four kilobytes could take gigabytes.
"""

import os
import struct
from collections.abc import Iterator
from io import RawIOBase

MAX_DEPTH = 10
"""Boxes in boxes; FFmpeg goes no deeper."""

_FILLED_WITH_BOXES = (
    b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"moof",
    b"traf", b"wave", b"tref", b"free", b"hoov",
)  # fmt: skip
# Where the number of samples stands in these, in bytes behind the head of the box.
_COUNTS = {b"stsz": 8, b"stz2": 8, b"trun": 4, b"senc": 4}


def claimed_samples(file: RawIOBase) -> int:
    """How many samples, of all tracks and fragments together, the file says it has.

    Boxes are read as FFmpeg reads them: one that is longer than its place is cut. 0 for a file that
    does not consist of boxes.

    Raises:
        ValueError: the header is compressed: it could be of any size.
    """
    return sum(_claims(file, begin=0, end=file.seek(0, os.SEEK_END), depth=0))


def _claims(file: RawIOBase, *, begin: int, end: int, depth: int) -> Iterator[int]:
    while begin + 16 <= end:
        file.seek(begin)
        kind, head, size = box(memoryview(file.read(16)), rest=end - begin)
        if size < head:
            return
        if kind == b"cmov":
            raise ValueError("its header is compressed")
        if kind in _FILLED_WITH_BOXES and depth < MAX_DEPTH:
            inner = min(begin + size, end)
            yield from _claims(file, begin=begin + head, end=inner, depth=depth + 1)
        elif kind in _COUNTS:
            file.seek(begin + head + _COUNTS[kind])
            yield int.from_bytes(file.read(4), "big")
        begin += size


def box(start: memoryview, *, rest: int) -> tuple[bytes, int, int]:
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
