"""Labelled videos: what to learn from, or to be tested on."""

import csv
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

from stillmotion.data.labels import class_names, label_index
from stillmotion.data.rows import VIDEO_SUFFIXES, Row, canonical_split, rows_of_file, rows_of_folder
from stillmotion.errors import DataError, unknown
from stillmotion.files import writing

_FIELDS = ("path", "label", "start", "end", "group", "split")


@dataclass(frozen=True)
class Sample:
    """A labelled video, or a labelled part of one."""

    path: Path
    label: int
    """Index into the classes of the list."""
    start: float | None = None
    """Where the action begins, in seconds from the first frame; None: at the start."""
    end: float | None = None
    """Where it ends; None: at the video's end."""
    group: str | None = None
    """What must not be in two splits at once: a person, a scene, a recording."""
    split: str | None = None
    """"train", "val", "test", or any other name that the list gives."""


@dataclass(frozen=True)
class VideoList:
    """Labelled videos and the names of their classes."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    source: str
    """Where it was read from, for people."""

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def relative_paths(self) -> tuple[str, ...]:
        """Each sample's path below the deepest folder that holds them all, with slashes."""
        paths = [sample.path.absolute() for sample in self.samples]
        if not paths:
            return ()
        folder = os.path.commonpath([path.parent for path in paths])
        return tuple(path.relative_to(folder).as_posix() for path in paths)

    @cached_property
    def sha256(self) -> str:
        """Hash of the relative paths, label names and times: the same wherever the root is, and
        in whatever order."""
        lines = sorted(
            json.dumps([path, self.classes[sample.label], sample.start, sample.end])
            for path, sample in zip(self.relative_paths, self.samples, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that occur, in order."""
        return tuple(sorted({sample.split for sample in self.samples if sample.split}))

    def only(self, split: str) -> "VideoList":
        """The samples of one split.

        Raises:
            DataError: no sample has it.
        """
        name = canonical_split(split)
        samples = tuple(sample for sample in self.samples if sample.split == name)
        if not samples:
            raise DataError(f"{self.source}: {unknown('split', split, self.splits)}")
        return replace(self, samples=samples)

    def write(self, path: str | Path) -> None:
        """Writes a list file (CSV with a header) that `read_videos` reads.

        Paths below the list's folder are relative to it, others absolute.

        Raises:
            StorageError: the file cannot be written.
        """
        path = Path(path).absolute()
        with writing(path, "w") as file:
            writer = csv.writer(file)
            writer.writerow(_FIELDS)
            for sample in self.samples:
                video = sample.path.absolute()
                inside = video.is_relative_to(path.parent)
                name = (video.relative_to(path.parent) if inside else video).as_posix()
                writer.writerow([name, self.classes[sample.label], *astuple(sample)[2:]])


def read_videos(
    source: str | Path,
    *,
    root: str | Path | None = None,
    classes: Sequence[str] | str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
) -> VideoList:
    """Reads labelled videos from a folder or a list file.

    A folder holds a folder a class, perhaps within train, val and test; files that are no videos by
    name are passed over. A list file has a line a video: path and label, parted by white space,
    tabs or commas, then perhaps start and end in seconds; or columns named by a header line; or
    JSON objects. Labels are names or indices from 0. An extension that a path lacks is tried.

    Args:
        root: folder to which paths are relative; by default the list's own.
        classes: names in the order of their indices, or a file that lists them (a name a line, or
            a JSON array); by default the sorted labels, or the indices themselves.
        columns: which column holds path, label, start, end, group or split, where the header calls
            it something else: `{"group": "scene"}`.
        exclude: labels to leave out, as they are written in the list.

    Raises:
        DataError: what is wrong, and on which line.
        ConfigurationError: `columns` names an unknown field.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if source.is_dir():
        rows = rows_of_folder(source)
    else:
        rows = rows_of_file(source, columns=columns or {})
    rows = _without(rows, exclude)
    if not rows:
        raise DataError(f"{source}: no videos are listed")
    if classes is None and source.is_dir():  # a folder's name is a name, also where it is a number
        classes = sorted({str(row.label) for row in rows})
    names = class_names(rows, classes)
    if len(names) < 2:
        raise DataError(f"{source}: only one class, {names[0]!r}; a classifier needs two or more")
    paths = _resolve(rows, root=Path(root) if root else source.parent)
    samples = tuple(
        Sample(path, label_index(row, names), *_times(row), row.group, _split(row))
        for row, path in zip(rows, paths, strict=True)
    )
    _refuse_contradictions(rows, samples, names)
    return VideoList(samples, names, str(source))


def _without(rows: list[Row], exclude: Sequence[str]) -> list[Row]:
    labels = {str(row.label) for row in rows}
    for label in exclude:
        if label not in labels:
            raise DataError(unknown("label to exclude", label, labels))
    return [row for row in rows if str(row.label) not in exclude]


def _times(row: Row) -> tuple[float | None, float | None]:
    try:
        start = None if row.start is None else float(row.start)
        end = None if row.end is None else float(row.end)
    except ValueError as error:
        raise DataError(f"{row.place}: start and end are seconds: {error}") from error
    if not 0 <= (start or 0.0) < (math.inf if end is None else end):
        raise DataError(f"{row.place}: the part from {start} s to {end} s is empty or negative")
    return start, end


def _split(row: Row) -> str | None:
    return canonical_split(row.split) if row.split else None


def _resolve(rows: list[Row], *, root: Path) -> list[Path]:
    """Finds every file, or says which are missing."""
    found = [_find(root / row.path) for row in rows]
    missing = [row for row, path in zip(rows, found, strict=True) if path is None]
    if missing:
        first = "; ".join(f"{row.place}: {row.path}" for row in missing[:3])
        raise DataError(
            f"{len(missing)} of {len(rows)} videos are missing below {root}: {first}"
            f"{'; ...' if len(missing) > 3 else ''}. Is the root another folder?"
        )
    return [path for path in found if path is not None]


def _find(path: Path) -> Path | None:
    if path.is_file():
        return path
    candidates = (path.with_name(path.name + suffix) for suffix in VIDEO_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _refuse_contradictions(
    rows: list[Row], samples: tuple[Sample, ...], names: tuple[str, ...]
) -> None:
    """The same part of the same file cannot have two labels."""
    seen: dict[tuple[Path, float | None, float | None], tuple[Row, Sample]] = {}
    for row, sample in zip(rows, samples, strict=True):
        earlier, other = seen.setdefault((sample.path, sample.start, sample.end), (row, sample))
        if other.label != sample.label:
            raise DataError(
                f"{row.place}: {row.path} is {names[sample.label]!r} here and "
                f"{names[other.label]!r} at {earlier.place}"
            )
