"""A file of byte strings, each with a checksum: damage is found when a string is read.

magic | number of records | size and CRC-32 of each | CRC-32 of all that | the records

Numbers are little-endian, of 32 bits each. None of them takes more memory than the file has bytes:
the number of records is held against its size, and sizes are used once their checksum is right.
"""

import os
import zlib
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from struct import Struct

from stillmotion.files import writing

_MAGIC = b"stillmotion records 1\n"
_COUNT = Struct("<I")
_ENTRY = Struct("<II")
_CHECKSUM = Struct("<I")


class DamagedError(Exception):
    """The file is not what was written; whoever reads it makes it anew."""


def write_records(path: Path, records: Sequence[bytes]) -> None:
    """Writes a file, whole or not at all.

    Raises:
        StorageError: the disk is full, or the folder cannot be written to.
    """
    table = b"".join(_ENTRY.pack(len(record), zlib.crc32(record)) for record in records)
    head = _MAGIC + _COUNT.pack(len(records)) + table
    with writing(path) as file:
        file.write(head + _CHECKSUM.pack(zlib.crc32(head)) + b"".join(records))


def read_records(path: Path, places: Sequence[int] | None = None) -> list[bytes]:
    """The records at these places, in this order, and no others; None: all of them.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
        DamagedError: the file is damaged where it was read, or has no record at a place.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        opening = file.read(len(_MAGIC) + _COUNT.size)
        if len(opening) < len(_MAGIC) + _COUNT.size or not opening.startswith(_MAGIC):
            raise DamagedError(f"{path}: not a file of records")
        (count,) = _COUNT.unpack(opening[len(_MAGIC) :])
        # The checksum of this number comes later: a damaged one may ask for more than the memory.
        if count * _ENTRY.size > size:
            raise DamagedError(f"{path}: it is too short for {count} records")
        rest = file.read(count * _ENTRY.size + _CHECKSUM.size)
        table = rest[: count * _ENTRY.size]
        if rest[len(table) :] != _CHECKSUM.pack(zlib.crc32(opening + table)):
            raise DamagedError(f"{path}: its table is damaged")
        entries = list(_ENTRY.iter_unpack(table))
        sizes = (size for size, _ in entries)
        bounds = list(pairwise(accumulate(sizes, initial=len(opening) + len(rest))))
        found = []
        for place in range(count) if places is None else places:
            if not 0 <= place < count:
                raise DamagedError(f"{path}: it has {count} records, and none at {place}")
            file.seek(bounds[place][0])
            record = file.read(entries[place][0])
            if len(record) < entries[place][0] or zlib.crc32(record) != entries[place][1]:
                raise DamagedError(f"{path}: record {place} is damaged")
            found.append(record)
        return found
