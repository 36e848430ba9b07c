"""From labels as they are written to class names and indices."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stillmotion.data.class_lists import distinct, read_class_names
from stillmotion.data.rows import Row
from stillmotion.errors import DataError, unknown

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
    return isinstance(label, int) or (label.isascii() and label.isdigit())


def label_index(label: str | int, indices: Mapping[str, int]) -> int:
    """The index of a class, given by its name or as an index already.

    Raises:
        DataError: an unknown name, or an index out of range.
    """
    if isinstance(label, str) and label in indices:
        return indices[label]
    if not _is_index(label):
        raise DataError(unknown("label", str(label), indices))
    if not 0 <= int(label) < len(indices):
        raise DataError(
            f"label {label} is out of range: the {len(indices)} classes have indices 0 to "
            f"{len(indices) - 1}"
        )
    return int(label)
