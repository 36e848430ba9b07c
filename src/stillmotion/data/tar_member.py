"""A video inside an uncompressed tar, addressed by the path "shard-000003.tar/wave/0007.mp4".

The tar's table of members is read once in a process; a video is then a window of the tar. Nothing
is unpacked, so no member can land anywhere. A tar with links, sparse or special files, names that
lead outside, or two members of one name is refused as a whole.
"""

import io
import os
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from stillmotion.errors import VideoError

KEPT_INDICES = 512
"""Tables of members that a process remembers: a few dozen kilobytes each."""


class Extent(NamedTuple):
    """Where a member's bytes lie in its tar."""

    offset: int
    size: int


def split_member(path: Path) -> tuple[Path, str] | None:
    """The tar that a path leads into, and the member's name; None for every other path.

    What counts is the outermost part of the path that ends in ".tar" and is a file.
    """
    for parent in reversed(path.parents):
        if parent.suffix.lower() == ".tar" and os.path.isfile(parent):
            return parent, path.relative_to(parent).as_posix()
    return None


def extent_of(tar: Path, member: str) -> Extent:
    """Where a member lies.

    Raises:
        VideoError: the tar is refused or damaged, or has no such member.
    """
    extent = members(tar).get(member)
    if extent is None:
        raise VideoError(f"{tar / member}: there is no {member!r} in {tar}")
    return extent


def members(tar: Path) -> Mapping[str, Extent]:
    """All files of a tar, by name, in the tar's order.

    Raises:
        VideoError: not an uncompressed tar, damaged, or refused; see above.
    """
    try:
        told = tar.stat()
    except OSError as error:
        raise VideoError(f"{tar}: cannot be read: {error.strerror}") from error
    return _members(tar, told.st_size, told.st_mtime_ns)


class Window(io.RawIOBase):
    """Part of a file as a file of its own, for reading; it has its own position."""

    def __init__(self, path: Path, extent: Extent, *, name: str) -> None:
        self._file = path.open("rb", buffering=0)
        self._extent = extent
        self._position = 0
        self.size = extent.size
        self.name = name
        """Demuxers look at the end of it."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._extent.size}
        if bases[whence] + offset < 0:
            raise ValueError(f"a position before the start: {bases[whence] + offset}")
        self._position = bases[whence] + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = max(0, self._extent.size - self._position)
        if not left:
            return 0  # a damaged header leads to places that no system can seek
        self._file.seek(self._extent.offset + self._position)
        count = self._file.readinto(memoryview(buffer)[:left]) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_member(path: Path) -> Window:
    """The bytes of a member.

    Raises:
        VideoError: as `extent_of`.
    """
    found = split_member(path)
    if found is None:
        what = "a pipe or a device, not a file" if os.path.exists(path) else "no such file"
        raise VideoError(f"{path}: {what}")
    tar, name = found
    return Window(tar, extent_of(tar, name), name=name)


@lru_cache(maxsize=KEPT_INDICES)
def _members(tar: Path, size: int, mtime_ns: int) -> Mapping[str, Extent]:
    """The time of change is part of the key alone: a tar that was replaced is read again."""
    found: dict[str, Extent] = {}
    try:
        with tarfile.open(tar, "r:") as file:
            for info in file:
                if info.isdir():
                    continue
                name = _allowed(info, tar)
                if name in found:
                    raise VideoError(f"{tar}: two members are called {name!r}")
                if info.offset_data + info.size > size:
                    raise VideoError(f"{tar}: the tar ends within {name!r}: it is cut short")
                found[name] = Extent(info.offset_data, info.size)
    # One header may say that the next belongs to it, without end: a recursion.
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise VideoError(f"{tar}: damaged, compressed, or not a tar: {error}") from error
    return found


def _allowed(info: tarfile.TarInfo, tar: Path) -> str:
    """The member's name without "./"; refuses what is no plain file inside."""
    name = PurePosixPath(info.name)
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise VideoError(f"{tar}: the member {info.name!r} leads out of the tar; it is refused")
    if not info.isreg() or info.issparse():
        raise VideoError(f"{tar}: the member {info.name!r} is a link or a special file; refused")
    return name.as_posix()
