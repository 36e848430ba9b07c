"""What lies at a sample's path: a file, a member of a tar, or a folder of frames.

For all that looks at bytes rather than at pictures: whether a video is there, how large it is,
whether it has changed, and whether two are the same.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from stillmotion.data.frame_folder import frame_files, is_frame_folder
from stillmotion.data.progress import Progress, in_threads
from stillmotion.data.tar_member import members, open_member, split_member
from stillmotion.errors import VideoError

END = 16384
"""Bytes at each end of a file by which it is told from others of the same size."""


Content = tuple[int | str, ...]
"""What tells a video from others; see `told_apart`."""


class Stamp(NamedTuple):
    """Changes when a video does."""

    size: int
    """Bytes; those of all images of a folder."""
    mtime_ns: int
    """When it was last written: the file, the tar around it, or the youngest image."""


def is_there(path: Path) -> bool:
    """Whether a path leads to a file, a member of a tar, or a folder of frames.

    Raises:
        VideoError: it leads into a tar that is damaged or refused.
    """
    if os.path.isfile(path) or (os.path.isdir(path) and is_frame_folder(path)):
        return True
    found = split_member(path)
    return found is not None and found[1] in members(found[0])


def stamp_of(path: Path) -> Stamp:
    """What to compare in order to learn whether a video has changed.

    Raises:
        VideoError: there is none.
    """
    with reading(path):
        if found := split_member(path):
            with open_member(path) as window:
                return Stamp(window.size, found[0].stat().st_mtime_ns)
        files = frame_files(path) if path.is_dir() else [path]
        told = [file.stat() for file in files]
    return Stamp(sum(t.st_size for t in told), max(t.st_mtime_ns for t in told))


def open_contents(path: Path) -> BufferedReader:
    """The bytes of a file or of a member of a tar.

    Raises:
        VideoError: there is none, or it cannot be read.
    """
    with reading(path):
        return path.open("rb") if path.is_file() else BufferedReader(open_member(path))


def sha256_of(path: Path) -> str:
    """Hash of a video's bytes: the same for a file and for its copy inside a tar.

    Raises:
        VideoError: it cannot be read.
    """
    digest = hashlib.sha256()
    with reading(path):
        for file in frame_files(path) if path.is_dir() else [path]:
            with open_contents(file) as opened:
                while block := opened.read(2**20):
                    digest.update(block)
    return digest.hexdigest()


def told_apart(
    paths: Iterable[Path], *, threads: int = 8, on_progress: Progress | None = None
) -> dict[Path, Content]:
    """For each video something that only equal ones share.

    Each is looked at no closer than it takes: its size; if others have the same, its first and last
    `END` bytes; and if these are the same as well, all of it. What is empty or cannot be read is
    like nothing else.

    Args:
        threads: videos that are read at the same time: disks and networks answer several.
        on_progress: told of each of the three looks.
    """
    told: dict[Path, Content] = dict.fromkeys(sorted(set(paths)), ())
    looks: tuple[Callable[[Path], int | str], ...] = (_size_of, _ends_of, sha256_of)
    for look in looks:
        alike = Counter(told.values())
        doubtful = [path for path, known in told.items() if alike[known] > 1]
        seen = in_threads(partial(_seen, look), doubtful, threads=threads, on_progress=on_progress)
        told |= {path: (*told[path], more) for path, more in seen.items()}
    return told


def _seen(look: Callable[[Path], int | str], path: Path) -> int | str:
    """What a look at a video gives; of one that is empty or cannot be read, its own name."""
    try:
        return look(path) or str(path)
    except VideoError:
        return str(path)


def _size_of(path: Path) -> int:
    return stamp_of(path).size


def _ends_of(path: Path) -> str:
    if path.is_dir():  # of images; each would have to be opened
        return "folder"
    with reading(path), open_contents(path) as file:
        first = file.read(END)
        file.seek(max(0, stamp_of(path).size - END))
        return hashlib.sha256(first + file.read(END)).hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What the system has against reading becomes our own error, which names ``path``.

    Raises:
        VideoError: with the system's reason.
    """
    try:
        yield
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
