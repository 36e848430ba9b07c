"""EPIC-KITCHENS-100: segments of long videos, each with a verb and a noun (Damen et al., 2022).

An action is the pair of both; there are 97 verbs and 300 nouns, named by the owner's own files.
Counts as commonly quoted (paper: arXiv 2006.13256): 67,217 segments to train, 9,668 to validate;
the labels of the 13,092 test segments are withheld.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from stillmotion.data.frame_folder import FRAME_RATE
from stillmotion.data.parts import Part, combinations, combined
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import csv_records
from stillmotion.data.sets.tree import Tree
from stillmotion.data.suffixes import VIDEO_SUFFIXES
from stillmotion.errors import DataError, Problem

_SIZES = {"verb": 97, "noun": 300}
_COLUMNS = (
    "narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "verb_class", "noun_class",
)  # fmt: skip


def seconds_from(timestamp: str) -> float:
    """Seconds in a time such as "00:01:02.50".

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+):([0-5]?\d):([0-5]?\d(?:\.\d+)?)", timestamp.strip())
    if found is None:
        raise ValueError(f"{timestamp!r} is no time")
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def read_epic100(source: Path, protocol: str) -> Listing:
    """Reads both lists, and the names of verbs and nouns."""
    tree = Tree(source)
    parts = tuple(Part(name, _names(tree, name)) for name in _SIZES)
    lists = tree.split_lists(train=["EPIC_100_train.csv"], val=["EPIC_100_validation.csv"])
    if tree.find_list("EPIC_100_test_timestamps.csv"):
        tree.note("the test segments are left out: their labels are withheld")
    entries = [e for split, path in lists.items() for e in _entries(tree, path, split, parts)]
    return listing(entries, classes=combinations(parts), parts=parts, notes=tree.notes)


def _names(tree: Tree, part: str) -> tuple[str, ...]:
    """The keys of all verbs or nouns, in the order of their ids."""
    path = tree.needed(f"EPIC_100_{part}_classes.csv", f"EPIC_100_{part}_classes_v2.csv")
    names = {record["id"]: record["key"] for _, record in csv_records(path, needed=("id", "key"))}
    if list(names) != [str(index) for index in range(_SIZES[part])]:
        raise DataError(f"{path}: expected the ids from 0 to {_SIZES[part] - 1} in their order")
    return tuple(names.values())


def _entries(
    tree: Tree, path: Path, split: str, parts: tuple[Part, ...]
) -> Iterator[Entry | Problem]:
    for place, record in csv_records(path, needed=_COLUMNS):
        video = tree.video(f"{record['participant_id']}/{record['video_id']}")
        try:
            label = combined([int(record["verb_class"]), int(record["noun_class"])], parts)
            start, end = _times(record, video)
        except (ValueError, DataError) as error:
            yield Problem(place, "line", str(error))
            continue
        yield Entry(
            place=place,
            path=video,
            name=f"{record['video_id']} ({record['narration_id']})",
            label=label,
            split=split,
            start=start,
            end=end,
            group=record["video_id"],
            subject=record["participant_id"],
        )


def _times(record: dict[str, str], video: Path | None) -> tuple[float, float]:
    """Start and end in seconds of the file; a folder's seconds are counted by its frames."""
    if video is None or video.suffix.lower() in VIDEO_SUFFIXES:
        start, end = (seconds_from(record[f"{name}_timestamp"]) for name in ("start", "stop"))
    else:
        first, last = (int(record[f"{name}_frame"]) for name in ("start", "stop"))
        start, end = (first - 1) / FRAME_RATE, last / FRAME_RATE
    if not 0 <= start < end:
        raise ValueError(f"the segment from {start} s to {end} s is empty or negative")
    return start, end


EPIC100 = DataSet(
    name="epic100",
    what="EPIC-KITCHENS-100: segments of long first-person videos; 97 verbs x 300 nouns",
    layout="""\
SOURCE/
  EPIC_100_train.csv, EPIC_100_validation.csv, EPIC_100_verb_classes.csv, EPIC_100_noun_classes.csv
  P01/videos/P01_01.MP4, ...   or P01/rgb_frames/P01_01/frame_0000000001.jpg, ...
""",
    read=read_epic100,
    official={"": {"train": 67_217, "val": 9_668}},
)
