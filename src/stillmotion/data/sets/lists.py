"""The text, tables and JSON of owners' lists, line by line with the place of each."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillmotion.data.list_files import list_text
from stillmotion.errors import DataError
from stillmotion.given_files import from_json


def text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line that is not empty, stripped, and where it is: "train.txt line 3".

    Raises:
        DataError: the file is no text.
    """
    for number, line in enumerate(list_text(path).split("\n"), start=1):
        if line.strip():
            yield f"{path.name} line {number}", line.strip()


def csv_records(path: Path, *, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a table with a header, and where it is; cells that a row lacks are empty.

    Raises:
        DataError: the file is no such table, or a column is not there.
    """
    reader = csv.DictReader(io.StringIO(list_text(path), newline=""), restval="")
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        if missing := [name for name in needed if name not in names]:
            raise DataError(
                f"{path}: no column {', '.join(missing)}; its first line names "
                f"{', '.join(names) or 'none'}"
            )
        reader.fieldnames = names
        for record in reader:
            record.pop(None, None)
            yield f"{path.name} line {reader.line_num}", record
    except csv.Error as error:
        raise DataError(f"{path}: not a table of comma-separated values: {error}") from error


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        DataError: it is no JSON.
    """
    try:
        return from_json(list_text(path))
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error


def json_records(path: Path, *, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a JSON array, and where it is: "train.json entry 3".

    Raises:
        DataError: the file is no array of objects, or one lacks a key.
    """
    told = read_json(path)
    if not isinstance(told, list):
        raise DataError(f"{path}: expected a JSON array of objects")
    for number, record in enumerate(told, start=1):
        if not isinstance(record, dict) or any(name not in record for name in needed):
            raise DataError(
                f"{path} entry {number}: expected an object with {', '.join(needed)}, got "
                f"{str(record)[:80]}"
            )
        yield f"{path.name} entry {number}", record
