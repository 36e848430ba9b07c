"""From rows as a list states them to samples: files found, labels known, times in order.

What is wrong is collected, row by row, so that a person sees all of it at once.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from reprlib import repr as shortened

from stillmotion.data.annotations import Box, Sample
from stillmotion.data.contents import is_there
from stillmotion.data.labels import label_reader
from stillmotion.data.rows import VIDEO_SUFFIXES, Row, canonical_split
from stillmotion.errors import Problem, VideoError


class _RowError(Exception):
    """What is wrong with one row; becomes a `Problem`."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind, self.what = kind, what


def resolve(
    rows: list[Row], *, root: Path, classes: tuple[str, ...], exclusive: bool = True
) -> tuple[list[Sample], list[Problem]]:
    """The samples of all rows that make sense, and what is wrong with the others.

    Args:
        exclusive: one part of a video has one class. Not so where classes are combinations: one may
            open a door and hold a cup.
    """
    read_label = label_reader(classes)
    samples: list[Sample] = []
    kept: list[Row] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            samples.append(_sample(row, root, read_label))
            kept.append(row)
        except _RowError as error:
            problems.append(Problem(row.place, error.kind, error.what))
    return samples, [*problems, *_repeats(kept, samples, classes, exclusive=exclusive)]


def locate(path: Path) -> Path | None:
    """A video file, also by its name without its extension, a member of a tar, or a folder of
    frames."""
    if os.path.exists(path) or is_there(path):
        return path
    candidates = (path.with_name(path.name + suffix) for suffix in VIDEO_SUFFIXES)
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), None)


def _sample(row: Row, root: Path, read_label: Callable[[str | int], int | str]) -> Sample:
    """One row's sample.

    Raises:
        _RowError: the first thing that is wrong with it.
    """
    try:
        path = locate(root / row.path)
    except VideoError as error:
        raise _RowError("missing", str(error)) from error
    if path is None:
        raise _RowError("missing", f"there is no {row.path} below {root}; is the root another?")
    label = read_label(row.label)
    if isinstance(label, str):
        raise _RowError("label", label)
    start, end = _times(row)
    split = canonical_split(row.split) if row.split else None
    return Sample(path, label, start, end, row.group, split, row.subject, row.camera, _box(row))


def _times(row: Row) -> tuple[float | None, float | None]:
    try:
        start = None if row.start is None else float(row.start)
        end = None if row.end is None else float(row.end)
    except (TypeError, ValueError, OverflowError) as error:
        raise _RowError("segment", f"start and end are seconds: {error}") from error
    if not 0 <= (start or 0.0) < (math.inf if end is None else end):
        raise _RowError("segment", f"the part from {start} s to {end} s is empty or negative")
    return start, end


def _box(row: Row) -> Box | None:
    """Left, top, right and bottom, as four numbers or as text with blanks between."""
    if row.box is None:
        return None
    try:
        numbers = row.box.split() if isinstance(row.box, str) else row.box
        left, top, right, bottom = (float(number) for number in numbers)
    except (TypeError, ValueError, OverflowError) as error:
        what = f"{shortened(row.box)} is not left, top, right and bottom"
        raise _RowError("box", what) from error
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise _RowError(
            "box",
            f"{shortened(row.box)}: left < right and top < bottom are fractions of the frame, "
            "0 to 1",
        )
    return left, top, right, bottom


def _repeats(
    rows: list[Row], samples: list[Sample], classes: tuple[str, ...], *, exclusive: bool
) -> Iterator[Problem]:
    """Parts of files that are listed twice in one split, or with two labels in any."""
    first: dict[object, tuple[Row, Sample]] = {}
    for row, sample in zip(rows, samples, strict=True):
        part = (sample.path, sample.start, sample.end, None if exclusive else sample.label)
        earlier, other = first.setdefault(part, (row, sample))
        if other.label != sample.label:
            names = f"{classes[sample.label]!r} here and {classes[other.label]!r}"
            yield Problem(row.place, "two labels", f"{row.path} is {names} at {earlier.place}")
        elif first.setdefault((part, sample.split), (row, sample))[0] is not row:
            yield Problem(row.place, "listed twice", f"{row.path} is at {earlier.place} already")


def by_name(rows: list[Row], classes: tuple[str, ...]) -> list[Row]:
    """Rows of a manifest with their classes' names in the place of their indices.

    An index out of range stays as it is, for `resolve` to report.
    """

    def name(label: str | int) -> str | int:
        known = isinstance(label, int) and 0 <= label < len(classes)
        return classes[label] if known and isinstance(label, int) else label

    return [replace(row, label=name(row.label)) for row in rows]
