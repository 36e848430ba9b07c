"""The records of a list file, as it writes them: JSON, JSON lines, or text in columns."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from stillmotion.errors import DataError
from stillmotion.given_files import from_json, read_text

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

MANIFEST = "stillmotion_manifest"
"""What the first line of a manifest names, with the version of its format."""

Records = Iterator[tuple[str, dict[str, Any]]]
"""Where each was read, for error messages, and its fields by name."""


def list_text(path: Path) -> str:
    """The text of a list, of ours or of a data set's owners.

    Raises:
        DataError: it is no text, or cannot be read.
    """
    try:
        return read_text(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a list: its bytes are not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # no file can have such a name
        raise DataError(f"{path}: cannot be read: {error}") from error


def records_of(
    path: Path, text: str, columns: Mapping[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    """All records of a list file, in the form that its name tells.

    Raises:
        DataError: not valid JSON, lines that do not have the header's columns, or one too long.
    """
    reader = json_records if path.suffix.lower() in (".json", ".jsonl") else text_records
    try:
        return list(reader(path, text, columns))
    except csv.Error as error:  # a column longer than any
        raise DataError(f"{path}: {error}") from error


def json_records(path: Path, text: str, columns: Mapping[str, str]) -> Records:
    """Objects of a JSON array, or one a line."""
    if path.suffix.lower() == ".json":
        records = _from_json(text, place=str(path))
        if not isinstance(records, list):
            raise DataError(f"{path}: expected a JSON list of objects with a path and a label")
        places = [(f"{path} entry {n}", record) for n, record in enumerate(records, start=1)]
    else:
        lines = enumerate(text.split("\n"), start=1)  # other marks may stand in a name
        named = [(f"{path} line {n}", line) for n, line in lines if line.strip()]
        places = [(place, _from_json(line, place=place)) for place, line in named]
    for place, record in places:
        if not isinstance(record, dict):
            what = shortened(record)
            raise DataError(f"{place}: expected an object with a path and a label, got {what}")
        if MANIFEST not in record:
            yield place, record


def _from_json(text: str, *, place: str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise DataError(f"{place}: not valid JSON: {error}") from error


def text_records(path: Path, text: str, columns: Mapping[str, str]) -> Records:
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
