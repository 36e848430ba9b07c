"""Labelled videos as a list file or a folder states them, before anything is checked or resolved.

List files are text (split by tabs, commas or white space, with or without a header line), JSON or
JSON lines. Folders hold one folder a class, perhaps within train, val and test.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from stillmotion.data.frame_folder import are_frames
from stillmotion.data.list_files import COLUMNS, list_text, records_of
from stillmotion.data.suffixes import VIDEO_SUFFIXES, is_video_name
from stillmotion.errors import ConfigurationError, DataError, unknown

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Row:
    """One labelled video, as it was written."""

    place: str
    """Where it was read, for error messages: "videos.csv line 3"."""
    path: str
    label: str | int
    start: Any = None
    end: Any = None
    """Seconds, as numbers or as text."""
    group: str | None = None
    split: str | None = None
    subject: str | None = None
    camera: str | None = None
    box: Any = None
    """Four numbers, or text with blanks between them."""


def canonical_split(name: str) -> str:
    """One name for each split: training is train; valid and validation are val.

    >>> canonical_split("Validation")
    'val'
    """
    return _SPLITS.get(name.strip().lower(), name.strip())


def videos_below(folder: Path) -> list[Path]:
    """All videos in a folder and its sub-folders, in order; hidden files are passed over.

    A sub-folder of numbered images is a video where no video file lies beside the images.
    """
    found: list[Path] = []
    for place, _, names in os.walk(folder):
        if Path(place) != folder and are_frames(names):
            found.append(Path(place))
        inside = [Path(place, name) for name in names if is_video_name(name)]
        found += [path for path in inside if path.is_file()]
    return sorted(found)


def rows_of_folder(folder: Path) -> list[Row]:
    """The rows of a folder with one folder a class, perhaps within split folders.

    Raises:
        DataError: no class folders, or one without a video.
    """
    names = {canonical_split(child.name) for child in _folders(folder)}
    if names and names <= set(_SPLITS.values()):
        return [
            row
            for child in _folders(folder)
            for row in _rows_of_classes(child, split=canonical_split(child.name))
        ]
    return _rows_of_classes(folder, split=None)


def _rows_of_classes(folder: Path, *, split: str | None) -> list[Row]:
    classes = _folders(folder)
    if not classes:
        raise DataError(
            f"{folder}: no folders inside; expected one folder a class, with its videos, or a list "
            "file"
        )
    rows = []
    for child in classes:
        videos = videos_below(child)
        if not videos:
            raise DataError(
                f"{child}: no videos in this class; remove the folder, or add files that end in "
                + ", ".join(VIDEO_SUFFIXES)
            )
        rows += [Row(str(child), str(path.absolute()), child.name, split=split) for path in videos]
    stray = [path for path in videos_below(folder) if path.parent == folder and path.is_file()]
    if stray:
        raise DataError(
            f"{folder}: {len(stray)} videos lie beside the class folders ({stray[0].name}); move "
            "them into the folder of their class, or out"
        )
    return rows


def _folders(folder: Path) -> list[Path]:
    return sorted(c for c in folder.iterdir() if c.is_dir() and not c.name.startswith("."))


def rows_of_file(path: Path, *, columns: Mapping[str, str]) -> list[Row]:
    """The rows of a list file.

    Args:
        columns: which column holds a field, where its name is not one of `COLUMNS`.

    Raises:
        DataError: not text, not valid JSON, a line without a label, a column that is not there, or
            a value of the wrong kind.
        ConfigurationError: `columns` names a field that a row does not have.
    """
    if wrong := set(columns) - set(COLUMNS):
        raise ConfigurationError(unknown("field", min(wrong), COLUMNS))
    rows = []
    for place, record in records_of(path, list_text(path), columns):
        fields = {field: _pick(record, field, columns, place) for field in COLUMNS}
        for needed in ("path", "label"):
            if fields[needed] in (None, ""):
                raise DataError(f"{place}: no {needed}; the columns are {', '.join(record)}")
        label = fields["label"]
        if not isinstance(label, str | int) or isinstance(label, bool):
            raise DataError(f"{place}: label {shortened(label)} is neither a name nor an index")
        rows.append(Row(place, **fields))
    return rows


def _pick(record: Mapping[str, Any], field: str, columns: Mapping[str, str], place: str) -> Any:
    if field in columns:
        if columns[field] not in record:
            raise DataError(f"{place}: {unknown('column', columns[field], record)}")
        value = record[columns[field]]
    else:
        value = next((record[name] for name in COLUMNS[field] if name in record), None)
    if value is None or value == "":
        return None
    if field in ("label", "start", "end", "box"):
        return value
    if not isinstance(value, str | int | float):
        raise DataError(f"{place}: {field} {shortened(value)} is not text")
    return str(value)
