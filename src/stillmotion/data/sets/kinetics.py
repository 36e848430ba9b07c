"""Kinetics-400, 600 and 700: clips of ten seconds from YouTube, listed by id, start and end.

Layout and label order as in MMAction2's tools/data/parse_file_list.py. A class's index is its place
among the labels sorted after quotes were removed and spaces became underscores. The classes of
Kinetics-600 are read from the owner's lists.

Counts as commonly quoted; the papers are arXiv 1705.06950, 1808.01340 and 1907.06987. Every copy
has fewer, since videos vanish from YouTube, and each copy lacks others: MMAction2's have 240,436
and 19,796 of Kinetics-400, 383,393 and 27,910 of 600, 542,357 and 34,824 of 700 (its
tools/data/kinetics/README.md).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from stillmotion.data.class_lists import CLASS_LISTS, read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import csv_records
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem

_LAYOUT = """\
SOURCE/
  annotations/train.csv, validate.csv or val.csv   label,youtube_id,time_start,time_end,split
  train/, val/   <youtube_id>_<start, six digits>_<end, six digits>.mp4, perhaps in a folder a class
"""
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")


def label_key(label: str) -> str:
    """What sorts the classes, and is the same in every spelling of a label.

    >>> label_key('"massaging person\\'s head"')
    "massaging_person's_head"
    """
    return label.replace('"', "").strip().replace(" ", "_")


def read_kinetics(source: Path, protocol: str, *, classes: int) -> Listing:
    """Reads the lists of the Kinetics with so many classes."""
    tree = Tree(source)
    lists = tree.split_lists(
        train=_list_names("train", classes=classes),
        val=_list_names("validate", "val", "validation", classes=classes),
    )
    if tree.find_list(*_list_names("test", classes=classes)):
        tree.note("test.csv is left out: it has no labels to trust; papers score validation")
    entries = [e for split, path in lists.items() for e in _entries(tree, path, split)]
    names = _class_names(entries, classes=classes)
    return listing(entries, classes=names, key=label_key, notes=tree.notes)


def _list_names(*names: str, classes: int) -> list[str]:
    """What copies call a list: "train.csv", "kinetics_train.csv", "kinetics-400_train.csv"."""
    marks = ("", "kinetics_", f"kinetics{classes}_", f"kinetics-{classes}_", f"k{classes}_")
    return [f"{mark}{name}.csv" for name in names for mark in marks]


def _entries(tree: Tree, path: Path, split: str) -> Iterator[Entry | Problem]:
    for place, record in csv_records(path, needed=_COLUMNS):
        label = record["label"].replace('"', "").strip()
        try:
            start, end = (int(float(record[name])) for name in ("time_start", "time_end"))
        except (ValueError, OverflowError):
            yield Problem(place, "line", f"start and end are no seconds: {record}")
            continue
        name = f"{split}/{label_key(label)}/{record['youtube_id']}_{start:06d}_{end:06d}"
        yield Entry(
            place=place,
            path=tree.video(name),
            name=f"{name}.mp4",
            label=label,
            split=split,
            group=record["youtube_id"],
        )


def _class_names(entries: list[Entry | Problem], *, classes: int) -> tuple[str, ...]:
    if f"kinetics{classes}" in CLASS_LISTS:
        return read_class_names(f"kinetics{classes}")
    labels = {str(entry.label) for entry in entries if isinstance(entry, Entry)}
    keys = {label_key(label) for label in labels}
    if len(keys) != classes:
        raise DataError(
            f"kinetics{classes} has {classes} classes, and these lists have {len(keys)}: are they "
            "complete, and are they those of another Kinetics?"
        )
    return tuple(key.replace("_", " ") for key in sorted(keys))


def _kinetics(classes: int, counts: dict[str, int]) -> DataSet:
    return DataSet(
        name=f"kinetics{classes}",
        what=f"Kinetics-{classes}: {classes} human actions in clips of ten seconds from YouTube",
        layout=_LAYOUT,
        read=partial(read_kinetics, classes=classes),
        official={"": counts},
    )


KINETICS_400 = _kinetics(400, {"train": 246_245, "val": 20_000})
KINETICS_600 = _kinetics(600, {"train": 392_622, "val": 30_001})
KINETICS_700 = _kinetics(700, {"train": 545_317, "val": 35_000})
