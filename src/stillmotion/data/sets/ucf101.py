"""UCF101: 13,320 videos of 101 actions in three splits (Soomro et al., 2012).

Indices in the owner's files begin at 1. Videos of one group (g08) show one scene; the official
splits keep groups whole. The 13,320 videos are the paper's (arXiv 1212.0402); how many a split has
is as commonly quoted.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import DataError, Problem

_GROUP = re.compile(r"_(g\d+)_c\d+$")
_COUNTS = {"1": (9_537, 3_783), "2": (9_586, 3_734), "3": (9_624, 3_696)}


def read_ucf101(source: Path, protocol: str) -> Listing:
    """Reads the train and test list of one split."""
    tree = Tree(source)
    names = read_class_names("ucf101")
    if index := tree.find_list("classInd.txt"):
        _check_index(index, names)
    entries = [
        entry
        for split in ("train", "test")
        for entry in _entries(tree, tree.needed(f"{split}list0{protocol}.txt"), split, names)
    ]
    return listing(entries, classes=names, notes=tree.notes)


def _check_index(path: Path, names: tuple[str, ...]) -> None:
    expected = [f"{number} {name}" for number, name in enumerate(names, start=1)]
    stated = [" ".join(line.split()) for _, line in text_lines(path)]
    if stated != expected:
        wrong = next((line for line in stated if line not in expected), f"{len(stated)} lines")
        raise DataError(
            f"{path}: not the 101 classes of UCF101, counted from 1 ApplyEyeMakeup: {wrong!r}"
        )


def _entries(
    tree: Tree, path: Path, split: str, names: tuple[str, ...]
) -> Iterator[Entry | Problem]:
    for place, line in text_lines(path):
        name, _, number = line.partition(" ")
        video = PurePosixPath(name)
        label = video.parent.name
        if number and number.strip() != str(1 + names.index(label) if label in names else ""):
            yield Problem(place, "label", f"{label} does not have index {number}, counted from 1")
            continue
        group = _GROUP.search(video.stem)
        yield Entry(
            place=place,
            path=tree.video(name),
            name=name,
            label=label,
            split=split,
            group=f"{label} {group[1]}" if group else None,
        )


UCF101 = DataSet(
    name="ucf101",
    what="UCF101: 101 actions, sports above all; three splits, whose mean papers quote",
    layout="""\
SOURCE/
  ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt, ...
  UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi, ...   (unpack UCF101.rar first)
""",
    read=read_ucf101,
    protocols=tuple(_COUNTS),
    official={k: {"train": train, "test": test} for k, (train, test) in _COUNTS.items()},
)
