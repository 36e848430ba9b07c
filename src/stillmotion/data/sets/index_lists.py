"""Lists with a video and the index of its class on each line, as several code bases write them.

Paths may hold blanks, so lines are parted from the right.
"""

import os
import re
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stillmotion.data.labels import class_names
from stillmotion.data.rows import Row, canonical_split
from stillmotion.data.sets.entries import Entry
from stillmotion.data.sets.lists import text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.data.suffixes import VIDEO_SUFFIXES
from stillmotion.errors import DataError, Problem
from stillmotion.given_files import MOST_DIGITS

_SPLIT = re.compile(r"(?:^|[^a-z])(train|val|validation|valid|test)(?![a-z])")
_SEPARATORS = " \t\r\f\v,"
_LONGEST = 8192
"""Characters of a line: no path has more than half of them."""
_ENDING = "|".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
_LABELS = re.compile(rf"\S.*?\.(?:{_ENDING})(?:[\s,]+\d+){{2,}}", re.IGNORECASE)


class Line(NamedTuple):
    """A line of such a list."""

    place: str
    video: str
    numbers: tuple[int, ...]
    """The label is the last."""
    split: str


def split_from_name(name: str) -> str | None:
    """The split that a list's name tells, if it tells one.

    >>> split_from_name("kinetics400_val_list_videos.txt")
    'val'
    """
    found = _SPLIT.findall(name.lower())
    return canonical_split(found[-1]) if len(set(found)) == 1 else None


def parse_line(line: str, *, numbers: int) -> tuple[str, tuple[int, ...]]:
    """A video and the whole numbers that follow it on its line, the last one its label.

    >>> parse_line("some dir/a b 163 1", numbers=2)
    ('some dir/a b', (163, 1))

    Raises:
        ValueError: there are fewer numbers.
    """
    video, found = line, list[int]()
    for _ in range(numbers):
        ended = last_number(video)
        if ended is None:
            raise ValueError(f"expected a path and {numbers} whole number(s), got {line!r}")
        video, number = ended
        found.insert(0, number)
    return video, tuple(found)


def last_number(line: str) -> tuple[str, int] | None:
    """What stands before the whole number that a line ends with, and the number.

    >>> last_number("a b, 12")
    ('a b', 12)
    """
    before = line.rstrip(string.digits)
    video, digits = before.rstrip(_SEPARATORS), line[len(before) :]
    if not video or video == before or not 0 < len(digits) <= MOST_DIGITS:
        return None
    return video, int(digits)


def read_lines(lists: Sequence[Path], *, numbers: int) -> list[Line | Problem]:
    """All lines of lists whose names tell their splits, and what is wrong with some.

    Raises:
        DataError: a line with several labels, a list whose name tells no split, or two of a split.
    """
    named: dict[str, Path] = {}
    for path in lists:
        split = split_from_name(path.name)
        if split is None:
            raise DataError(f"{path}: its name must hold train, val or test, and only one of them")
        if split in named:
            raise DataError(
                f"two lists of the split {split}: {named[split]} and {path}; give a folder with "
                "one list of each split"
            )
        named[split] = path
    return [line for split, path in named.items() for line in _read(path, split, numbers=numbers)]


def _read(path: Path, split: str, *, numbers: int) -> Iterator[Line | Problem]:
    for place, line in text_lines(path):
        if len(line) > _LONGEST:
            yield Problem(place, "line", f"{len(line):,} characters, where paths are shorter")
            continue
        if numbers == 1 and _LABELS.fullmatch(line):
            raise _several_labels(f"{path}: {place}", line)
        try:
            yield Line(place, *parse_line(line, numbers=numbers), split)
        except ValueError as error:
            yield Problem(place, "line", str(error))


def video_entry(line: Line, roots: Sequence[Path]) -> Entry:
    """The entry of a line of video files, found below the first of these folders that has it.

    Raises:
        DataError: the file is there without the last numbers of its name: they are labels, too.
    """
    path = find_video(roots, line.video)
    bare = line.video
    while path is None and (found := last_number(bare)):
        bare, _ = found
        if find_video(roots, bare):
            raise _several_labels(line.place, f"{line.video} {line.numbers[-1]}")
    return Entry(
        place=line.place, path=path, name=line.video, label=line.numbers[-1], split=line.split
    )


def _several_labels(place: str, line: str) -> DataError:
    return DataError(
        f"{place}: several labels for a video ({line!r}); stillmotion learns one class for each "
        "video: keep one label, or make a list for each"
    )


def find_video(roots: Sequence[Path], name: str) -> Path | None:
    """A video file below the first of these folders that has it; an ending is tried if need be."""
    for root in roots:
        for suffix in ("", *VIDEO_SUFFIXES):
            path = root / f"{name}{suffix}"
            if os.path.isfile(path):  # also of a name that no file can have
                return path
    return None


def classes_of(tree: Tree, lines: Sequence[Line | Problem]) -> tuple[str, ...]:
    """The classes that a label map beside the lists names, or else their indices.

    Raises:
        DataError: no labels, an index too large to be one, or several label maps.
    """
    rows = [
        Row(line.place, line.video, line.numbers[-1]) for line in lines if isinstance(line, Line)
    ]
    if not rows:
        raise tree.lacks("line with a video and a label")
    maps = tree.lists_like(r"label_map.*\.txt|classes\.txt")
    if len(maps) > 1:
        raise DataError(f"{tree.source}: several label maps: {', '.join(map(str, maps))}; keep one")
    return class_names(rows, maps[0] if maps else None)
