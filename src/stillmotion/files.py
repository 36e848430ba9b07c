"""Files that appear whole or not at all: written under a temporary name, then renamed.

Contents are on the disk before the name is, and the name before we say that it is written: after a
power cut, what was said to be saved is there, and those who then removed the source were right.
"""

import contextlib
import csv
import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from stillmotion.errors import ConfigurationError, StorageError

PARTIAL = ".partial"
"""How the name of a file or folder ends that is being written; it begins with a dot."""

UNPROMISED = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""What a file system says that cannot promise to keep names; many on a network."""


@contextlib.contextmanager
def writing(path: Path, mode: str = "wb") -> Iterator[IO]:
    """An open file that becomes ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: the disk is full, its directory takes nothing, or what is there is no file.
    """
    temporary = path.with_name(f".{path.name}.{token_hex(4)}{PARTIAL}")
    with storing(path):
        refuse_other_kind(path)
        make_folder(path.parent)
        try:
            encoding = None if "b" in mode else "utf-8"
            with temporary.open(mode.replace("w", "x"), encoding=encoding) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            keep_names(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that becomes ``path`` when the block ends well, else vanishes.

    Raises:
        ConfigurationError: where something is at ``path`` already.
        StorageError: where nothing can be written there.
    """
    refuse_existing(path)
    with storing(path), partial_folder(path) as place:
        folder = place / path.name
        folder.mkdir()  # with the mode of any new folder
        yield folder
        for inside in (folder, *folder.rglob("*")):
            if inside.is_dir():
                keep_names(inside)
            elif inside.is_file():
                keep_contents(inside)
        folder.replace(path)
        keep_names(path.parent)


@contextlib.contextmanager
def writing_together(path: Path) -> Iterator[Path]:
    """Where to write ``path`` and the files beside it, which all take their places at the end.

    All of them are on the disk before the first replaces what was there, ``path`` the last of all:
    whoever finds it finds the others. Where one cannot be written, none is. Each takes its place in
    a step of its own, so a kill between two of them leaves new files beside the old ``path``.

    Raises:
        StorageError: where one cannot be written.
    """
    with storing(path), partial_folder(path) as place:
        refuse_other_kind(path)
        yield place / path.name
        files = sorted(place.iterdir(), key=lambda file: file.name == path.name)
        for file in files:
            refuse_other_kind(path.with_name(file.name))
        for file in files:
            file.replace(path.with_name(file.name))
        keep_names(path.parent)


@contextlib.contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path``, for a while."""
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """What the system has against writing becomes our own error, which names ``path``.

    Raises:
        StorageError: with the system's reason.
    """
    try:
        yield
    except OSError as error:
        # Met by a part of what was to be written, whose name tells the user nothing.
        met = error.__cause__ if isinstance(error.__cause__, OSError) else error
        if isinstance(met, StorageError):
            raise
        raise StorageError(f"cannot write {path}: {met.strerror or met}") from met


def make_folder(path: Path) -> None:
    """A folder and those above it, where they are not there; their names are on the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        keep_names(folder.parent)


def keep_contents(file: Path) -> None:
    """Wait until what a file holds is on the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def keep_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system knows how to."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNPROMISED:
            raise


def is_partial(path: Path) -> bool:
    """Whether a file or folder is half written, by its name."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL)


def clear_partial(folder: Path) -> None:
    """Remove, in a folder and below it where nothing else writes, what a killed process left."""
    for path in list(folder.rglob(f".*{PARTIAL}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Refuse a place that is taken, be it by a link that leads nowhere.

    Raises:
        ConfigurationError: where something is at ``path`` already.
    """
    if os.path.lexists(path):
        raise ConfigurationError(f"{path} is there already; name another place")


def refuse_unwritable(path: Path) -> None:
    """Refuse, before any work, a file that could not be written after it.

    Raises:
        StorageError: what is there is no file, or the nearest folder above it takes nothing.
    """
    refuse_other_kind(path)
    folder = next(folder for folder in path.absolute().parents if os.path.exists(folder))
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise StorageError(
            f"cannot write {path}: nothing can be written into {folder} ({why_not(folder)})"
        )


def why_not(folder: Path) -> str:
    """Why nothing can be written into it, in the system's words."""
    if not folder.is_dir():
        return os.strerror(errno.ENOTDIR)
    read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
    return os.strerror(errno.EROFS if read_only else errno.EACCES)


def refuse_vanished(folder: Path) -> None:
    """Refuse to begin a folder anew in which there were files, perhaps on the disk below.

    Raises:
        StorageError: it is no longer there.
    """
    if not folder.is_dir():
        raise StorageError(f"{folder} is gone: it was removed or unmounted while in use")


def refuse_other_kind(path: Path) -> None:
    """Refuse to replace what is no file, such as a directory or ``/dev/null``.

    Raises:
        StorageError: where that is at ``path``.
    """
    if path.exists() and not path.is_file():
        told = "it is a directory; name a file" if path.is_dir() else "it is no file; name one"
        raise StorageError(f"cannot write {path}: {told}")


def readable(path: str | os.PathLike[str]) -> str:
    r"""A path as text that any file, page or picture takes: bytes of a name that are no UTF-8 are
    written as ``\xff``. The file is found by the path itself alone.

    >>> readable("r\udce9ve.mp4")
    'r\\xe9ve.mp4'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file, or leave what was there."""
    with writing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file, or leave what was there."""
    with writing(path, "w") as file:
        file.write(text)


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with a header; what is None is empty."""
    with writing(path, "w") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def as_json(told: Any) -> str:
    """Indented JSON in which a row of numbers is a line: a matrix looks like one."""
    text = json.dumps(told, indent=2, ensure_ascii=False)
    # A line break never stands inside a string, so only lists are met.
    return re.sub(r"\[\n\s*([-+.\deE,\s]+?)\s*\]", _in_a_line, text) + "\n"


def _in_a_line(numbers: re.Match[str]) -> str:
    return f"[{', '.join(numbers[1].replace(',', ' ').split())}]"
