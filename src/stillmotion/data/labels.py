"""From labels as they are written to class names and indices."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from stillmotion.data.class_lists import distinct, read_class_names
from stillmotion.data.rows import Row
from stillmotion.errors import DataError, unknown

_MAX_DIGITS = 640
"""A longer number is a name: Python may be set to refuse it."""

# An index beyond this is a wrong column, not a class.
_MAX_CLASSES = 10_000


def class_names(rows: list[Row], classes: Sequence[str] | str | Path | None) -> tuple[str, ...]:
    """The names as given or read, or else the sorted labels, or the indices themselves.

    Raises:
        DataError: names that repeat or cannot be read, or an index too large to be one.
    """
    if classes is not None:
        return read_class_names(classes) if isinstance(classes, str | Path) else distinct(classes)
    if not all(_is_index(row.label) for row in rows):
        return tuple(sorted({str(row.label) for row in rows}))
    highest = max(rows, key=lambda row: int(row.label))
    if int(highest.label) >= _MAX_CLASSES:
        raise DataError(
            f"{highest.place}: label {highest.label} would mean that many classes; is it another "
            "column? Otherwise name the classes"
        )
    return tuple(str(index) for index in range(int(highest.label) + 1))


def _is_index(label: str | int) -> bool:
    if isinstance(label, int):
        return True
    return label.isascii() and label.isdigit() and len(label) <= _MAX_DIGITS


def label_reader(classes: Sequence[str]) -> Callable[[str | int], int | str]:
    """A function from a label, a class's name or index, to its index, or to what is wrong with it.

    To look among thousands of names for the nearest takes a second: each label is read once.
    """
    indices = {name: index for index, name in enumerate(classes)}
    return cache(lambda label: _index_or_fault(label, indices))


def _index_or_fault(label: str | int, indices: Mapping[str, int]) -> int | str:
    if isinstance(label, str) and label in indices:
        return indices[label]
    if not _is_index(label):
        return unknown("label", str(label), indices)
    if not 0 <= int(label) < len(indices):
        return (
            f"label {label} is out of range: the {len(indices)} classes have indices 0 to "
            f"{len(indices) - 1}"
        )
    return int(label)
