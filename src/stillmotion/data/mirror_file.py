"""A file that says which classes a mirror swaps, where their names do not.

Text, a pair a line, parted by a tab or a comma (quoted where a name holds one); or a list of pairs
or an object in YAML or JSON, as its ending says:

    swipe in,swipe out        each becomes the other
    wave,wave                 mirrored, and the same
    tick                      never mirrored

    [[swipe in, swipe out], [tick]]        {86: 87, 93: 94}

Classes are named, or given by their index where no class has that name.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillmotion.errors import DataError, unknown
from stillmotion.given_files import from_yaml, read_text


def read_pairs(path: Path, classes: Sequence[str]) -> dict[int, int | None]:
    """What becomes of each class that the file mentions; None: it cannot be mirrored.

    Raises:
        DataError: the file cannot be read, names other classes, or contradicts itself.
    """
    places = {name: label for label, name in enumerate(classes)}
    labels: dict[int, int | None] = {}
    for line in _rows(path):
        known = [_label(name, places, path) for name in line]
        if len(known) not in (1, 2):
            raise DataError(f"{path}: a pair of classes, or one that has none, is not {line}")
        first, second = known[0], known[-1]
        changes = {first: second, second: first} if len(known) == 2 else {first: None}
        for label, other in changes.items():
            if labels.setdefault(label, other) != other:
                raise DataError(
                    f"{path}: {classes[label]!r} stands there twice and becomes something else"
                )
    return labels


def _rows(path: Path) -> list[list[Any]]:
    try:
        text = read_text(path)
        if path.suffix.lower() not in (".yaml", ".yml", ".json"):
            delimiter = "\t" if "\t" in text else ","
            rows = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
            return [[cell.strip() for cell in row] for row in rows if row]
        content = from_yaml(text)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read the classes that a mirror swaps: {error}") from error
    if isinstance(content, dict):
        return [[name] if other is None else [name, other] for name, other in content.items()]
    if isinstance(content, list):
        return [row if isinstance(row, list) else [row] for row in content]
    raise DataError(f"{path}: expected a list of pairs, or an object of class: class")


def _label(name: object, places: dict[str, int], path: Path) -> int:
    """The index of a class given by name or index."""
    told = str(name)
    if told in places:
        return places[told]
    if told.isdecimal() and int(told) < len(places):
        return int(told)
    raise DataError(f"{path}: {unknown('class', told, places)}")
