"""Lists as SlowFast, VideoMAE and V-JEPA read them: train.csv, val.csv and test.csv whose lines are
a path, a blank, and the index of the class, in spite of their name."""

from pathlib import Path

from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.entries import Entry, listing
from stillmotion.data.sets.index_lists import Line, find_video, names_or_indices, read_lines
from stillmotion.data.sets.tree import Tree


def read_slowfast(source: Path, protocol: str) -> Listing:
    """Reads the lists that are there."""
    tree = Tree(source)
    lists = [path for name in ("train", "val", "test") if (path := tree.find_list(f"{name}.csv"))]
    if not lists:
        raise tree.lacks("train.csv, val.csv or test.csv")
    lines = read_lines(lists, numbers=1)
    roots = list(dict.fromkeys([source, *(path.parent for path in lists)]))
    entries = [
        Entry(
            place=line.place,
            path=find_video(roots, line.video),
            name=line.video,
            label=line.numbers[-1],
            split=line.split,
        )
        if isinstance(line, Line)
        else line
        for line in lines
    ]
    labels = [line.numbers[-1] for line in lines if isinstance(line, Line)]
    return listing(entries, classes=names_or_indices(tree, labels))


SLOWFAST = DataSet(
    name="slowfast",
    what="Lists of SlowFast, VideoMAE and V-JEPA: a path, a blank and the index of its class",
    layout="""\
SOURCE/
  train.csv, val.csv, test.csv   "videos/clip 1.mp4 0"; paths from SOURCE or from the root
  classes.txt                    a name a line, where you have it
""",
    read=read_slowfast,
)
