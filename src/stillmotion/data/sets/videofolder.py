"""Hugging Face's videofolder: a folder a class, perhaps in train, validation and test; or files
whose labels stand in metadata.csv or metadata.jsonl beside them, in a column file_name."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillmotion.data.rows import canonical_split, rows_of_folder
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import csv_records, text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem
from stillmotion.given_files import from_json

_LABELS = ("label", "labels", "class", "action")


def read_videofolder(source: Path, protocol: str) -> Listing:
    """Reads metadata where there are any, or else the folders' names."""
    tree = Tree(source)
    tables = tree.lists_like(r"metadata\.(csv|jsonl)")
    if tables:
        entries = [entry for path in tables for entry in _entries(source, path)]
    else:
        entries = [
            Entry(
                place=row.place,
                path=Path(row.path),
                name=row.path,
                label=str(row.label),
                split=row.split,
            )
            for row in rows_of_folder(source)
        ]
    labels = {str(entry.label) for entry in entries if isinstance(entry, Entry)}
    return listing(entries, classes=tuple(sorted(labels)))


def _entries(source: Path, path: Path) -> Iterator[Entry | Problem]:
    folders = path.parent.relative_to(source).parts
    split = canonical_split(folders[0]) if folders else None
    for place, record in _records(path):
        label = next((record[name] for name in _LABELS if record.get(name) not in (None, "")), None)
        name = record["file_name"]
        if isinstance(label, list | dict | float) or label is None:
            yield Problem(place, "label", f"{label!r} is no class; one for each video is needed")
            continue
        video = path.parent / str(name)
        found = video if os.path.isfile(video) else None
        yield Entry(place=place, path=found, name=str(name), label=str(label), split=split)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix == ".csv":
        yield from csv_records(path, needed=("file_name",))
        return
    for place, line in text_lines(path):
        try:
            record = from_json(line)
        except ValueError as error:
            raise DataError(f"{path}: {place}: not valid JSON: {error}") from error
        if not isinstance(record, dict) or "file_name" not in record:
            raise DataError(f"{path}: {place}: expected an object with file_name and label")
        yield place, record


VIDEOFOLDER = DataSet(
    name="videofolder",
    what="Hugging Face's videofolder: a folder a class, or metadata.csv or .jsonl with file_name",
    layout="""\
SOURCE/
  train/<class>/<video>, validation/<class>/<video>, test/...   or <class>/<video> at once
or
  train/metadata.jsonl   {"file_name": "clip 1.mp4", "label": "jump"}; or metadata.csv
  train/clip 1.mp4
""",
    read=read_videofolder,
)
