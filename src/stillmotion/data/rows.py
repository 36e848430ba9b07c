"""Labelled videos as a list file or a folder states them, before anything is checked or resolved.

List files are text (split by tabs, commas or white space, with or without a header line), JSON or
JSON lines. Folders hold one folder a class, perhaps within train, val and test.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from stillmotion.data.frame_folder import are_frames
from stillmotion.data.suffixes import VIDEO_SUFFIXES, is_video_name
from stillmotion.errors import ConfigurationError, DataError, unknown

COLUMNS = {
    "path": ("path", "video", "file_name", "filename", "video_path", "file"),
    "label": ("label", "class", "action"),
    "start": ("start",),
    "end": ("end",),
    "group": ("group",),
    "split": ("split",),
    "subject": ("subject", "person"),
    "camera": ("camera",),
    "box": ("box",),
}
"""What a header may call each of our fields."""

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


MANIFEST = "stillmotion_manifest"
"""What the first line of a manifest names, with the version of its format."""


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a list file: its bytes are not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    reader = _json_records if path.suffix.lower() in (".json", ".jsonl") else _text_records
    try:
        records = list(reader(path, text, columns))
    except csv.Error as error:  # a column longer than any
        raise DataError(f"{path}: {error}") from error
    rows = []
    for place, record in records:
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


def _json_records(
    path: Path, text: str, columns: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of a JSON array, or one a line."""
    lines = text.split("\n")  # other marks that end lines may stand in a name
    try:
        if path.suffix.lower() == ".json":
            places = [(f"{path} entry {n}", r) for n, r in enumerate(json.loads(text), start=1)]
        else:
            places = [
                (f"{path} line {n}", json.loads(line))
                for n, line in enumerate(lines, start=1)
                if line.strip()
            ]
    # Also numbers of thousands of digits, and brackets nested as deeply.
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    for place, record in places:
        if not isinstance(record, dict):
            what = shortened(record)
            raise DataError(f"{place}: expected an object with a path and a label, got {what}")
        if MANIFEST not in record:
            yield place, record


def _text_records(
    path: Path, text: str, columns: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines as records, by the header's names or else path, label, start, end."""
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    delimiter = _delimiter([line for _, line in lines], columns)
    header: list[str] | None = None
    for number, line in lines:
        place = f"{path} line {number}"
        fields = _split(line, delimiter, width=len(header) if header else 2)
        if header is None and _is_header(fields, columns):
            header = [name.strip() for name in fields]
        elif header is None:
            yield place, _without_header(fields, delimiter)
        elif len(fields) != len(header):
            raise DataError(f"{place}: {len(fields)} columns, where the header has {len(header)}")
        else:
            yield place, dict(zip(header, fields, strict=True))


def _delimiter(lines: list[str], columns: Mapping[str, str]) -> str | None:
    """What parts the columns: a tab, a comma, or (None) white space.

    One that makes a header of the first line, or that every line has: paths may contain commas.
    """
    for mark in "\t,":
        named = lines and mark in lines[0] and _is_header(_split(lines[0], mark, width=2), columns)
        if named or all(mark in line for line in lines):
            return mark
    return None


def _split(line: str, delimiter: str | None, *, width: int) -> list[str]:
    if delimiter is None:
        # From the right: paths may contain spaces. Two decimals at the end are start and end.
        timed = width == 2 and re.search(r"\S\s+\S+\s+\d+\.\d*\s+\d+\.\d*\s*$", line)
        return line.strip().rsplit(maxsplit=3 if timed else width - 1)
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]


def _is_header(fields: list[str], columns: Mapping[str, str]) -> bool:
    return any(columns.get("path") == name or name in COLUMNS["path"] for name in fields)


def _without_header(fields: list[str], delimiter: str | None) -> dict[str, str]:
    if len(fields) == 4 and all(_is_number(field) for field in fields[2:]):
        return dict(zip(("path", "label", "start", "end"), fields, strict=True))
    # Further delimiters belong to the path.
    return {"path": (delimiter or " ").join(fields[:-1]), "label": fields[-1]}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
