"""HMDB51: clips of films, 51 actions in three splits of 70 to train and 30 to test a class
(Kuehne et al., 2011).

A list a class and split: <class>_test_split1.txt with lines of a file's name and 1 (train), 2
(test) or 0 (not used). There is no index of classes: they are sorted by name. Counts follow from 51
classes with 70 and 30 clips each.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stillmotion.data.class_lists import read_class_names
from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.lists import text_lines
from stillmotion.data.sets.tree import Tree
from stillmotion.errors import Problem, some

_SPLITS = {"0": None, "1": "train", "2": "test"}


def read_hmdb51(source: Path, protocol: str) -> Listing:
    """Reads the 51 lists of one split."""
    tree = Tree(source)
    classes = read_class_names("hmdb51")
    lists = {name: tree.find_list(f"{name}_test_split{protocol}.txt") for name in classes}
    if lacking := [f"{name}_test_split{protocol}.txt" for name in classes if not lists[name]]:
        raise tree.lacks(some(lacking))
    unused: Counter[str] = Counter()
    entries = [
        entry
        for label, path in lists.items()
        if path
        for entry in _entries(tree, path, label, unused)
    ]
    if unused:
        tree.note(f"marked 0, on neither side of split {protocol}: {unused.total()}")
    return listing(entries, classes=classes, notes=tree.notes)


def _entries(tree: Tree, path: Path, label: str, unused: Counter[str]) -> Iterator[Entry | Problem]:
    for place, line in text_lines(path):
        name, _, number = line.rpartition(" ")
        if number not in _SPLITS or not name:
            yield Problem(place, "line", f"expected a file's name and 0, 1 or 2, got {line!r}")
            continue
        split = _SPLITS[number]
        if split is None:
            unused["0"] += 1
            continue
        name = name.strip()
        yield Entry(
            place=place,
            path=tree.video(f"{label}/{name}"),
            name=f"{label}/{name}",
            label=label,
            split=split,
            group=recording(name),
        )


def recording(name: str) -> str:
    """What a clip was cut from, and its action: its name without the six words that describe it.

    Official splits keep the clips of a class that are from one video on one side.

    >>> recording("April_09_brush_hair_u_nm_np1_ba_goo_0.avi")
    'April_09_brush_hair'
    """
    return PurePosixPath(name).stem.rsplit("_", 6)[0]


HMDB51 = DataSet(
    name="hmdb51",
    what="HMDB51: 51 actions in clips of films; three splits, whose mean papers quote",
    layout="""\
SOURCE/
  testTrainMulti_7030_splits/<class>_test_split1.txt, ...
  <class>/<clip>.avi   (unpack hmdb51_org.rar and the archive of each class in it first)
""",
    read=read_hmdb51,
    protocols=("1", "2", "3"),
    official={protocol: {"train": 3_570, "test": 1_530} for protocol in ("1", "2", "3")},
)
