"""Reading what is known of videos: files that say when what happens in which."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stillmotion.errors import DataError, Problem, ProblemsError, some, unknown
from stillmotion.files import readable
from stillmotion.given_files import read_json, read_text
from stillmotion.localisation.segment import Segment

COLUMNS = ("video", "start", "end", "label")
"""Of a CSV file of segments."""

MOST_BYTES = 2**28
"""Of annotations in JSON; ActivityNet's own are a twentieth of it."""

Row = tuple[str, str, Any, Any, Any]
"""Where it stands; then video, start, end and label as they are written."""


def read_truth(path: Path, *, classes: Sequence[str]) -> dict[str, list[Segment]]:
    """The known segments of each video, by the name that the file gives it.

    Args:
        path: CSV with a header (video, start, end, label), or ActivityNet's JSON: ``{"database":
            {"ID": {"annotations": [{"segment": [start, end], "label": ...}]}}}``. Times in seconds.
        classes: labels that are possible.

    Raises:
        DataError: the file cannot be read, or is of another form.
        ProblemsError: rows that make no sense, all of them.
    """
    rows = activitynet_rows if path.suffix.lower() == ".json" else csv_rows
    found: dict[str, list[Segment]] = defaultdict(list)
    problems = []
    try:
        for place, video, start, end, label in rows(path):
            try:
                found[video].append(segment_from(start, end, label, classes=classes))
            except DataError as error:
                problems.append(Problem(place, "segment", str(error)))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: cannot be read: it is no text in UTF-8. Known segments are CSV "
            f"({','.join(COLUMNS)}) or ActivityNet's JSON"
        ) from error
    except (OSError, csv.Error, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read: {why}") from error
    if problems:
        raise ProblemsError(str(path), problems)
    return dict(found)


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV file."""
    with io.StringIO(read_text(path), newline="") as file:
        reader = csv.DictReader(file, restval="")
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{path}: no column {', '.join(missing)}; the first line must name "
                f"{', '.join(COLUMNS)}"
            )
        for row in reader:
            video, start, end, label = (row[name] for name in COLUMNS)
            yield f"line {reader.line_num}", video, start, end, label


def activitynet_rows(path: Path) -> Iterator[Row]:
    """The annotations of an ActivityNet file."""
    told = read_json(path, most=MOST_BYTES)
    try:
        for video, entry in told["database"].items():
            for place, row in enumerate(entry["annotations"]):
                start, end = row["segment"]
                yield f"{video}, annotation {place + 1}", video, start, end, row["label"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not ActivityNet's form, in which a database of videos has annotations, each "
            f"with a segment of two numbers and a label ({type(error).__name__}: {error})"
        ) from error


def segment_from(start: Any, end: Any, label: Any, *, classes: Sequence[str]) -> Segment:
    """A segment of what is written.

    Raises:
        DataError: no times, an end that is not after the start, or an unknown label.
    """
    try:
        begin, stop = float(start), float(end)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"start {start!r} and end {end!r}: give seconds, two numbers") from error
    if not (math.isfinite(begin) and math.isfinite(stop)):
        raise DataError(f"start {start!r} and end {end!r}: give seconds, two numbers")
    if begin < 0:
        raise DataError(f"from {start} to {end} s: the start lies before the video, which is at 0")
    if stop <= begin:
        raise DataError(f"from {start} to {end} s: the end must be later than the start")
    if label not in classes:
        raise DataError(unknown("label", str(label), classes))
    return Segment(begin, stop, label)


def matched(truth: dict[str, list[Segment]], paths: Iterable[Path]) -> dict[Path, list[Segment]]:
    """The known segments of each file: nothing for one that the annotations do not name.

    A name means the file whose path ends with it, with or without the file's suffix; ActivityNet's
    files are named ``v_ID``.

    Raises:
        DataError: a name that means several of the files, or names of which none means any.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    known: dict[Path, list[Segment]] = {path: [] for path in paths}
    for path in known:
        for name in names_of(path):
            files[name].append(path)
    named = truth.keys() & files.keys()
    if not named:
        raise DataError(f"none of the videos is among those annotated: {some(sorted(truth))}")
    for name in sorted(named):
        if len(files[name]) > 1:
            both = some([str(path) for path in files[name]])
            raise DataError(f"{name!r} in the annotations could be any of {both}: name a folder")
        known[files[name][0]] += truth[name]
    return known


def names_of(path: Path) -> set[str]:
    """What annotations may call a file: the ends of its path, with and without its suffix."""
    written = Path(readable(path.absolute()))
    parts = written.parts
    ends = {Path(*parts[first:]).as_posix() for first in range(len(parts))}
    ends |= {end.removesuffix(written.suffix) for end in ends}
    return ends | {written.stem.removeprefix("v_")}
