"""Files that appear whole or not at all: written under a temporary name, then renamed."""

import contextlib
import csv
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from stillmotion.errors import StorageError

PARTIAL = ".partial"
"""How the name of a file ends that is being written; it begins with a dot."""


@contextlib.contextmanager
def writing(path: Path, mode: str = "wb") -> Iterator[IO]:
    """An open file that becomes ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: where the disk is full or the directory cannot be written to.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoding = None if "b" in mode else "utf-8"
        with tempfile.NamedTemporaryFile(
            mode,
            encoding=encoding,
            dir=path.parent,
            prefix=f".{path.name}.",
            suffix=PARTIAL,
            delete=False,
        ) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether a file is half written, by its name."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL)


def clear_partial(folder: Path) -> None:
    """Remove, in a folder and below it, what a killed process left half written.

    Only where nothing else writes there.
    """
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that becomes ``path`` when the block ends well, else vanishes.

    Raises:
        StorageError: where something is at ``path`` already, or nothing can be written there.
    """
    refuse_existing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
            folder = Path(temporary) / path.name
            folder.mkdir()
            yield folder
            folder.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def refuse_existing(path: Path) -> None:
    """Refuse a place that is taken.

    Raises:
        StorageError: where something is at ``path`` already.
    """
    if path.exists():
        raise StorageError(f"{path} is there already; give another place")


def readable(path: str | os.PathLike[str]) -> str:
    r"""A path as text that any file, page or picture takes: bytes of a name that are no UTF-8 are
    written as ``\xff``. The file is found by the path itself alone.

    >>> readable("r\udce9ve.mp4")
    'r\\xe9ve.mp4'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
