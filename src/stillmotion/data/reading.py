"""Reading labelled videos from a folder, a list file or a manifest."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stillmotion.data.annotations import VideoList
from stillmotion.data.labels import class_names
from stillmotion.data.manifest import Header, read_header
from stillmotion.data.parts import Part, combinations
from stillmotion.data.resolving import by_name, resolve
from stillmotion.data.rows import Row, rows_of_file, rows_of_folder
from stillmotion.errors import DataError, ProblemsError, unknown


def read_videos(
    source: str | Path,
    *,
    root: str | Path | None = None,
    classes: Sequence[str] | str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    parts: Sequence[Part] = (),
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
        parts: what classes combine, where no manifest says it; a part of a video may then have
            several.

    Raises:
        DataError: the list cannot be read.
        ProblemsError: what is wrong, and on which lines.
        ConfigurationError: `columns` names an unknown field.
    """
    source = Path(source)
    if not os.path.exists(source):
        raise DataError(f"{source}: no such file or folder")
    if source.is_dir():
        rows = rows_of_folder(source)
    else:
        rows = rows_of_file(source, columns=columns or {})
    header = None if source.is_dir() else read_header(source)
    if header:
        rows = by_name(rows, header.classes)
    rows = _without(rows, exclude)
    if not rows:
        raise DataError(f"{source}: no videos are listed")
    if classes is None and header:
        classes = [name for name in header.classes if name not in exclude]
    elif classes is None and source.is_dir():  # a name, also where it is a number
        classes = sorted({str(row.label) for row in rows})
    names = class_names(rows, classes)
    made_of = header.parts if header and header.parts else tuple(parts)
    if len(names) < 2:
        found = f"only one class, {names[0]!r}" if names else "no classes"
        raise DataError(f"{source}: {found}; a classifier needs two or more")
    samples, problems = resolve(
        rows,
        root=Path(root) if root else source.parent,
        classes=names,
        exclusive=not made_of,
    )
    if problems:
        raise ProblemsError(str(source), problems)
    known = header or Header(names)
    made_of = made_of if combinations(made_of) == names else ()
    return VideoList(tuple(samples), names, str(source), known.dataset, known.metric, made_of)


def _without(rows: list[Row], exclude: Sequence[str]) -> list[Row]:
    labels = {str(row.label) for row in rows}
    for label in exclude:
        if label not in labels:
            raise DataError(unknown("label to exclude", label, labels))
    return [row for row in rows if str(row.label) not in exclude]
